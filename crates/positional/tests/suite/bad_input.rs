//! Every mistake a config can make, and what the message says.

use positional::{AttentionShape, EncodingConfig, EncodingError, Spectrum, families};

use crate::support::shape;

#[track_caller]
fn refuse(config: &EncodingConfig, shape: AttentionShape) -> EncodingError {
    match config.build(shape) {
        Ok(encoding) => panic!("{config:?} built {}", encoding.label()),
        Err(error) => error,
    }
}

#[track_caller]
fn assert_says(error: &EncodingError, parameter: &str, message: &str) {
    assert_eq!(error.parameter(), Some(parameter));
    assert_eq!(error.to_string(), message);
}

#[test]
fn unknown_kinds_list_the_known_and_suggest_the_nearest() {
    let kinds: Vec<String> = families()
        .iter()
        .map(|family| format!("`{}`", family.kind))
        .collect();
    let known = format!("known kinds: {}", kinds.join(", "));
    let error = refuse(&EncodingConfig::new("p-rope"), shape(64));
    let message = format!("unknown encoding kind `p-rope`, did you mean `prope`?; {known}");
    assert_says(&error, "kind", &message);

    let error = EncodingConfig::new("transformer").resolved().unwrap_err();
    let message = format!("unknown encoding kind `transformer`; {known}");
    assert_says(&error, "kind", &message);
}

#[test]
fn parameters_of_other_kinds_are_refused() {
    let nope = EncodingConfig::new("nope").with("fraction", 0.5);
    let message = "`nope` takes no `fraction`; it has no parameters";
    assert_says(&refuse(&nope, shape(64)), "fraction", message);

    let rope = EncodingConfig::new("rope").with("fraction", 0.5);
    let message = "`rope` takes no `fraction`; it takes `theta`";
    assert_says(&rope.resolved().unwrap_err(), "fraction", message);
}

#[test]
fn misspelled_parameters_get_a_suggestion() {
    let config = EncodingConfig::new("prope").with("fracton", 0.5);
    let message =
        "`prope` takes no `fracton`, did you mean `fraction`?; it takes `theta`, `fraction`";
    assert_says(&config.resolved().unwrap_err(), "fracton", message);
}

#[test]
fn fractions_outside_zero_to_one_are_refused() {
    for kind in ["prope", "prope_reversed", "rope_partial"] {
        for value in [
            -0.1,
            1.0_f64.next_up(),
            75.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            let config = EncodingConfig::new(kind).with("fraction", value);
            let message =
                format!("`fraction` of `{kind}` is {value}; it must be a finite number in [0, 1]");
            assert_says(&refuse(&config, shape(64)), "fraction", &message);
        }
    }
}

#[test]
fn bases_of_one_or_less_are_refused() {
    for kind in [
        "rope",
        "prope",
        "prope_reversed",
        "rope_partial",
        "sinusoidal",
    ] {
        for value in [1.0, 0.0, -10_000.0, f64::NAN, f64::INFINITY] {
            let config = EncodingConfig::new(kind).with("theta", value);
            let message =
                format!("`theta` of `{kind}` is {value}; it must be a finite number in (1, ∞)");
            assert_says(&config.resolved().unwrap_err(), "theta", &message);
        }
    }
}

#[test]
fn reference_lengths_without_a_positive_logarithm_are_refused() {
    for value in [1.0, 0.0, -512.0, f64::NAN] {
        let config = EncodingConfig::new("nope_scaled").with("reference_length", value);
        let error = config.resolved().unwrap_err();
        assert_eq!(error.parameter(), Some("reference_length"));
        assert!(error.to_string().contains("[2, ∞)"));
    }
}

#[test]
fn rotary_kinds_need_an_even_head() {
    let rotary = [
        "rope",
        "prope",
        "nope",
        "prope_reversed",
        "rope_partial",
        "nope_scaled",
    ];
    for kind in rotary {
        for head_dim in [0, 1, 63] {
            let error = refuse(&EncodingConfig::new(kind), shape(head_dim));
            let message = format!(
                "`head_dim` is {head_dim}; the encoding pairs its coordinates, so it must be even and at least 2"
            );
            assert_says(&error, "head_dim", &message);
        }
    }
}

#[test]
fn sinusoidal_needs_an_even_hidden_size() {
    for hidden_size in [0, 65] {
        let shape = AttentionShape {
            hidden_size,
            ..shape(64)
        };
        let error = refuse(&EncodingConfig::new("sinusoidal"), shape);
        assert_eq!(error.parameter(), Some("hidden_size"));
        assert!(
            error
                .to_string()
                .starts_with(&format!("`hidden_size` is {hidden_size};"))
        );
    }
}

#[test]
fn alibi_needs_a_head() {
    let shape = AttentionShape {
        num_heads: 0,
        ..shape(64)
    };
    let error = refuse(&EncodingConfig::new("alibi"), shape);
    assert_eq!(
        (error.parameter(), &error),
        (Some("num_heads"), &EncodingError::NoHeads)
    );
}

#[test]
fn encodings_ask_only_for_the_sizes_they_use() {
    let odd_head = AttentionShape {
        head_dim: 63,
        num_heads: 3,
        hidden_size: 66,
    };
    assert!(EncodingConfig::new("alibi").build(odd_head).is_ok());
    assert!(EncodingConfig::new("sinusoidal").build(odd_head).is_ok());
}

#[test]
fn values_are_checked_at_both_ends_of_every_range() {
    use positional::Bound;
    for family in families() {
        for parameter in family.parameters {
            let resolves = |value| {
                let config = EncodingConfig::new(family.kind).with(parameter.name, value);
                config.resolved().is_ok()
            };
            if let Bound::Inclusive(min) = parameter.range.min {
                assert!(resolves(min) && !resolves(min.next_down()));
            }
            if let Bound::Exclusive(min) = parameter.range.min {
                assert!(!resolves(min) && resolves(min.next_up()));
            }
            assert!(!resolves(f64::NAN) && !resolves(f64::INFINITY));
        }
    }
}

#[test]
fn spectra_of_impossible_frequencies_are_refused() {
    let refused = |frequencies: &[f64], amplitude| {
        let error = Spectrum::new(frequencies.to_vec(), amplitude).unwrap_err();
        (error.parameter().unwrap().to_owned(), error.to_string())
    };
    assert_eq!(refused(&[], 1.0).0, "frequencies");
    for value in [-0.1, f64::NAN, f64::INFINITY] {
        let (parameter, message) = refused(&[1.0, value], 1.0);
        assert_eq!(parameter, "frequencies");
        assert!(message.starts_with(&format!("`frequencies`[1] is {value};")));
    }
    for amplitude in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(&[1.0], amplitude).0, "amplitude");
    }
}
