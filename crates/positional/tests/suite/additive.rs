//! Encodings that do not rotate: bias, absolute vector, logit scale.

use positional::AttentionShape;

use crate::support::{build, shape};

#[test]
fn alibi_is_linear_in_distance_and_weaker_in_later_heads() {
    let alibi = build("alibi", &[], shape(64));
    let bias = |head, distance| alibi.bias(head, distance).unwrap();
    assert!(alibi.has_bias() && !alibi.has_absolute() && !alibi.scales_logits());
    assert!(alibi.spectrum().is_none());
    for head in 0..8 {
        // Eight heads: slopes 1/2, 1/4, ... 1/256, as the paper prints them.
        let slope = 0.5_f64.powi(head + 1);
        for distance in [0, 1, 2, 4096] {
            let expected = -slope * f64::from(distance);
            let bias = bias(head as usize, distance as usize);
            assert!((bias - expected).abs() <= 1e-15 * expected.abs());
        }
    }
}

#[test]
fn alibi_gives_every_head_its_own_slope() {
    for num_heads in 1..=40 {
        let shape = AttentionShape {
            num_heads,
            ..shape(64)
        };
        let alibi = build("alibi", &[], shape);
        let mut slopes: Vec<f64> = (0..num_heads)
            .map(|head| -alibi.bias(head, 1).unwrap())
            .collect();
        assert!(slopes.iter().all(|slope| (0.0..1.0).contains(slope)));
        slopes.sort_by(f64::total_cmp);
        slopes.dedup_by(|a, b| (*a - *b).abs() < 1e-12);
        assert_eq!(slopes.len(), num_heads);
    }
}

#[test]
fn sinusoidal_starts_at_zero_sines_and_unit_cosines() {
    let encoding = build("sinusoidal", &[], shape(64));
    assert!(encoding.has_absolute() && !encoding.has_bias() && !encoding.scales_logits());
    assert!(encoding.spectrum().is_none());
    let at_zero = encoding.absolute(0).unwrap();
    assert_eq!(at_zero, [0.0, 1.0].repeat(32));
}

#[test]
fn sinusoidal_vectors_move_by_a_fixed_linear_map() {
    // Section 3.5 of Vaswani et al.: a shift of the position turns each sine and cosine pair, so
    // inner products depend on the distance only.
    let encoding = build("sinusoidal", &[], shape(64));
    let product = |i: usize, j: usize| {
        crate::support::dot(
            &encoding.absolute(i).unwrap(),
            &encoding.absolute(j).unwrap(),
        )
    };
    assert!((product(0, 0) - 32.0).abs() < 1e-12);
    assert!((product(17, 5) - product(5017, 5005)).abs() < 1e-9);
    assert!((product(17, 5) - product(17, 6)).abs() > 1e-3);
}

#[test]
fn log_length_scale_is_one_up_to_the_reference_and_logarithmic_beyond() {
    let encoding = build("nope_scaled", &[("reference_length", 512.0)], shape(64));
    let scale = |position| encoding.logit_scale(position);
    assert!(encoding.scales_logits() && !encoding.has_bias() && !encoding.has_absolute());
    for position in [0, 1, 100, 510, 511] {
        assert_eq!(scale(position).to_bits(), 1.0_f64.to_bits(), "{position}");
    }
    // 512 = 2^9 and 4096 = 2^12: with 4096 keys in sight the scale is 12/9.
    assert!((scale(4095) - 12.0 / 9.0).abs() < 1e-15);
    assert!((scale(512 * 512 - 1) - 2.0).abs() < 1e-15);
    assert!(scale(512) > 1.0);
    assert!((511..5000).all(|position| scale(position) < scale(position + 1)));
}

#[test]
fn log_length_scale_defaults_to_512_tokens() {
    let (given, default) = (
        build("nope_scaled", &[("reference_length", 512.0)], shape(64)),
        build("nope_scaled", &[], shape(64)),
    );
    assert_eq!(given.label(), default.label());
    assert_eq!(
        given.logit_scale(9999).to_bits(),
        default.logit_scale(9999).to_bits()
    );
}
