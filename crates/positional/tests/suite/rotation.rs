//! What rotation does to queries, keys and logits.

use positional::Spectrum;
use proptest::prelude::*;

use crate::support::{dot, spectrum};

/// Every rotary kind, over bases and fractions.
fn any_spectrum() -> impl Strategy<Value = Spectrum> {
    let kind = prop::sample::select(vec!["prope", "prope_reversed", "rope_partial"]);
    (kind, 1.1..1e7_f64, 0.0..=1.0_f64, 1..=32_usize).prop_map(|(kind, theta, fraction, pairs)| {
        spectrum(kind, &[("theta", theta), ("fraction", fraction)], 2 * pairs)
    })
}

/// A spectrum with a query and a key of its size.
fn spectrum_query_key() -> impl Strategy<Value = (Spectrum, Vec<f64>, Vec<f64>)> {
    any_spectrum().prop_flat_map(|spectrum| {
        let vector = prop::collection::vec(-10.0..10.0_f64, spectrum.head_dim());
        (Just(spectrum), vector.clone(), vector)
    })
}

/// Rounding of an angle near 100,000 radians, with room.
const TOLERANCE: f64 = 1e-9;

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keeps_the_norm_of_every_pair((spectrum, q, _) in spectrum_query_key(), position in 0..=100_000_usize) {
        let (rotated, half) = (spectrum.rotate(&q, position), q.len() / 2);
        for pair in 0..half {
            let before = q[pair].hypot(q[pair + half]);
            let after = rotated[pair].hypot(rotated[pair + half]);
            prop_assert!((before - after).abs() <= 1e-13 * before);
        }
    }

    #[test]
    fn logits_depend_on_relative_distance_only(
        (spectrum, q, k) in spectrum_query_key(),
        distance in 0..50_000_usize,
        first in 0..50_000_usize,
        second in 0..50_000_usize,
    ) {
        let logit = |key_position: usize| {
            let query = spectrum.rotate(&q, key_position + distance);
            dot(&query, &spectrum.rotate(&k, key_position))
        };
        let scale = norm(&q) * norm(&k);
        prop_assert!((logit(first) - logit(second)).abs() <= TOLERANCE * scale);
    }

    #[test]
    fn logits_are_sums_of_cosines_and_sines_of_the_distance(
        (spectrum, q, k) in spectrum_query_key(),
        distance in 0..100_000_usize,
    ) {
        let half = q.len() / 2;
        let expected: f64 = (0..half)
            .map(|pair| {
                let angle = spectrum.angle(pair, distance);
                let aligned = q[pair] * k[pair] + q[pair + half] * k[pair + half];
                let crossed = q[pair] * k[pair + half] - q[pair + half] * k[pair];
                aligned * angle.cos() + crossed * angle.sin()
            })
            .sum();
        let logit = dot(&spectrum.rotate(&q, distance), &k);
        prop_assert!((logit - expected).abs() <= TOLERANCE * norm(&q) * norm(&k));
    }

    #[test]
    fn pairs_of_zero_frequency_pass_unchanged((spectrum, q, _) in spectrum_query_key(), position in 0..=100_000_usize) {
        let (rotated, half) = (spectrum.rotate(&q, position), q.len() / 2);
        for (pair, frequency) in spectrum.frequencies().iter().enumerate() {
            if *frequency == 0.0 {
                prop_assert_eq!(rotated[pair].to_bits(), q[pair].to_bits());
                prop_assert_eq!(rotated[pair + half].to_bits(), q[pair + half].to_bits());
            }
        }
    }

    #[test]
    fn frequencies_that_rotate_fall_strictly(spectrum in any_spectrum()) {
        let rotating: Vec<f64> = spectrum.frequencies().iter().copied().filter(|f| *f > 0.0).collect();
        prop_assert!(rotating.windows(2).all(|pair| pair[0] > pair[1]));
        prop_assert!(rotating.iter().all(|f| *f <= 1.0));
        prop_assert_eq!(rotating.len(), spectrum.num_rotated());
    }

    #[test]
    fn a_larger_fraction_rotates_more_and_reaches_further(
        theta in 2.0..1e7_f64,
        fractions in (0.0..=1.0_f64, 0.0..=1.0_f64),
        pairs in 1..=64_usize,
    ) {
        let (low, high) = (fractions.0.min(fractions.1), fractions.0.max(fractions.1));
        let at = |fraction| spectrum("prope", &[("theta", theta), ("fraction", fraction)], 2 * pairs);
        let (low, high) = (at(low), at(high));
        prop_assert!(low.num_rotated() <= high.num_rotated());
        prop_assert!(low.longest_wavelength() <= high.longest_wavelength());
    }

    #[test]
    fn tables_rotate_as_the_reference_does(
        (spectrum, q, _) in spectrum_query_key(),
        start in 0..100_000_usize,
        rows in 0..4_usize,
    ) {
        let tables = spectrum.tables(start..start + rows);
        let half = q.len() / 2;
        prop_assert_eq!((tables.pairs, tables.positions.clone()), (half, start..start + rows));
        prop_assert_eq!((tables.cos.len(), tables.sin.len()), (rows * half, rows * half));
        for row in 0..rows {
            let expected = spectrum.rotate(&q, start + row);
            for pair in 0..half {
                let cos = f64::from(tables.cos[row * half + pair]);
                let sin = f64::from(tables.sin[row * half + pair]);
                let (a, b) = (q[pair], q[pair + half]);
                prop_assert!((a * cos - b * sin - expected[pair]).abs() < 2e-6);
                prop_assert!((b * cos + a * sin - expected[pair + half]).abs() < 2e-6);
            }
        }
    }
}

#[test]
fn pairing_is_half_split() {
    let quarter_turn = Spectrum::new(vec![std::f64::consts::FRAC_PI_2, 0.0], 1.0).unwrap();
    let rotated = quarter_turn.rotate(&[1.0, 2.0, 3.0, 4.0], 1);
    for (rotated, expected) in rotated.iter().zip([-3.0, 2.0, 1.0, 4.0]) {
        assert!((rotated - expected).abs() < 1e-15);
    }
}

#[test]
fn amplitude_multiplies_cosines_and_sines() {
    let plain = Spectrum::new(vec![0.3, 0.0], 1.0).unwrap();
    let louder = Spectrum::new(vec![0.3, 0.0], 2.0).unwrap();
    let x = [1.0, -2.0, 0.5, 3.0];
    let doubled: Vec<f64> = plain.rotate(&x, 7).iter().map(|x| 2.0 * x).collect();
    assert_eq!(louder.rotate(&x, 7), doubled);
    let (plain, louder) = (plain.tables(3..5), louder.tables(3..5));
    for (plain, louder) in plain
        .cos
        .iter()
        .chain(&plain.sin)
        .zip(louder.cos.iter().chain(&louder.sin))
    {
        assert_eq!((2.0 * plain).to_bits(), louder.to_bits());
    }
}

#[test]
fn longest_wavelengths_are_those_of_the_paper() {
    let longest = |kind, parameters: &[(&str, f64)], head_dim| {
        let longest = spectrum(kind, parameters, head_dim).longest_wavelength();
        longest.map(f64::round)
    };
    assert_eq!(longest("rope", &[], 256), Some(58_470.0));
    assert_eq!(longest("prope", &[("fraction", 0.75)], 256), Some(5_847.0));
    assert_eq!(longest("prope", &[("fraction", 0.5)], 256), Some(585.0));
    assert_eq!(longest("prope", &[("fraction", 0.25)], 256), Some(58.0));
    assert_eq!(
        longest("prope_reversed", &[("fraction", 0.75)], 256),
        Some(58_470.0)
    );
    assert_eq!(
        longest("rope_partial", &[("fraction", 0.75)], 256),
        Some(57_084.0)
    );
    let gemma_4_global = [("theta", 1e6), ("fraction", 0.25)];
    assert_eq!(longest("prope", &gemma_4_global, 512), Some(188.0));
    assert_eq!(longest("rope", &[("theta", 5e5)], 256), Some(2_835_481.0));
}

#[test]
fn shortest_wavelength_is_a_full_turn_of_the_fastest_pair() {
    let shortest = |kind| spectrum(kind, &[], 256).shortest_wavelength().unwrap();
    assert_eq!(shortest("rope").to_bits(), std::f64::consts::TAU.to_bits());
    // Reversed 0.75 drops the first 32 of 128 pairs; the next turns at 0.1 radians per token.
    assert!((shortest("prope_reversed") - 10.0 * std::f64::consts::TAU).abs() < 1e-9);
}

#[test]
fn no_rotating_pair_ever_returns_to_where_it_was() {
    // Lemma A.1 of the p-RoPE paper: n g is a multiple of 2π for n = 0 only. In double precision
    // the closest return of the fastest pair within 1000 tokens is at 710, by 6.0e-5 radians.
    let rope = spectrum("rope", &[], 64);
    let miss = |n: usize| {
        let turn = rope.angle(0, n) % std::f64::consts::TAU;
        turn.min(std::f64::consts::TAU - turn)
    };
    let closest = (1..=1000).min_by(|a, b| miss(*a).total_cmp(&miss(*b)));
    assert_eq!(closest, Some(710));
    assert!((miss(710) - 6.03e-5).abs() < 1e-7);
}
