//! What stands for which encoding.

use positional::{EncodingConfig, families};
use theory::{Content, Decay, Subject, Verdict, checks, positionless};

use crate::support::{assert_verdict, shape, subject};

const ROTARY: [&str; 6] = [
    "Proposition 3.1",
    "Proposition 3.2",
    "Theorem 5.3",
    "Theorem 6.1",
    "Lemma A.1",
    "Lemma A.2",
];

#[test]
fn nothing_is_refuted_for_any_family() {
    for family in families() {
        for head_dim in [8, 64] {
            let config = EncodingConfig::new(family.kind);
            let subject = Subject::new(&config, shape(head_dim), 600).expect("valid");
            for check in checks(&subject) {
                assert_ne!(
                    check.verdict,
                    Verdict::Refuted,
                    "{}: {check:?}",
                    family.kind
                );
                assert!(!check.found.is_empty());
            }
        }
    }
}

#[test]
fn rotary_statements_hold_for_rotary_encodings() {
    for (kind, fraction) in [
        ("rope", 1.0),
        ("prope", 0.75),
        ("prope", 0.25),
        ("prope_reversed", 0.75),
        ("rope_partial", 0.75),
    ] {
        let subject = subject(kind, 64, 1e4, fraction, 1024);
        for name in ROTARY {
            assert_verdict(&subject, name, Verdict::Holds);
        }
        assert_verdict(&subject, "High is cheap", Verdict::Holds);
        assert_verdict(&subject, "Proposition 5.2", Verdict::NotApplicable);
        let still = if fraction < 1.0 {
            Verdict::Holds
        } else {
            Verdict::NotApplicable
        };
        assert_verdict(&subject, "p-RoPE channels", still);
    }
}

#[test]
fn without_rotation_they_say_nothing() {
    for kind in ["nope", "nope_scaled"] {
        let subject = subject(kind, 64, 1e4, 0.0, 1024);
        for name in ROTARY.into_iter().filter(|name| *name != "Proposition 3.2") {
            assert_verdict(&subject, name, Verdict::NotApplicable);
        }
        for name in ["Proposition 3.2", "Proposition 5.2", "p-RoPE channels"] {
            assert_verdict(&subject, name, Verdict::Holds);
        }
    }
    for kind in ["alibi", "sinusoidal"] {
        for check in checks(&subject(kind, 64, 1e4, 0.0, 512)) {
            assert_eq!(check.verdict, Verdict::NotApplicable, "{kind}: {check:?}");
        }
    }
}

#[test]
fn only_positions_tell_equal_tokens_apart() {
    let apart = |kind: &str| {
        let row = positionless(&subject(kind, 64, 1e4, 0.75, 512), 7);
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        (row[1] - row[2]).abs()
    };
    assert_eq!(apart("nope").to_bits(), 0.0_f64.to_bits());
    for kind in ["rope", "prope", "alibi"] {
        assert!(apart(kind) > 1e-3, "{kind}");
    }
}

#[test]
fn a_bias_decays_and_is_the_heads_own() {
    let subject = subject("alibi", 64, 1e4, 0.0, 512);
    assert_eq!(subject.heads(), [0, 3, 7]);
    for head in subject.heads() {
        let slope = (-(head as f64 + 1.0)).exp2();
        let decay = Decay::of(&subject, Content::Constant, head);
        for (distance, value) in decay.values.iter().enumerate() {
            let expected = 1.0 - slope * distance as f64 / 8.0;
            assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
        }
    }
}

#[test]
fn a_logit_scale_multiplies_every_logit_of_the_query() {
    let decay = Decay::of(
        &subject("nope_scaled", 64, 1e4, 0.0, 4096),
        Content::Constant,
        0,
    );
    let expected = 4096_f64.ln() / 512_f64.ln();
    assert!(
        decay
            .values
            .iter()
            .all(|value| (value - expected).abs() < 1e-12)
    );
}

#[test]
fn gaussians_have_no_trend_and_a_repeated_key_has_one_without_rotation() {
    let rope = subject("rope", 64, 1e4, 1.0, 4000);
    let values = Decay::of(&rope, Content::Independent, 0).values;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    for part in values.chunks(1000) {
        // Standard error 1/8 / √1000.
        assert!(mean(part).abs() < 4.0 * 0.125 / 1000_f64.sqrt());
    }
    let nope = subject("nope", 64, 1e4, 0.0, 4000);
    let values = Decay::of(&nope, Content::Repeated, 0).values;
    assert!(
        values
            .iter()
            .all(|value| value.to_bits() == values[0].to_bits())
    );
    let values = Decay::of(&rope, Content::Repeated, 0).values;
    assert!(values.iter().any(|value| (value - values[0]).abs() > 0.05));
}
