//! Subjects to look at, encodings that lie among them.

use std::sync::Arc;

use positional::{AttentionShape, EncodingConfig, PositionalEncoding, Spectrum};
use theory::{Check, Subject, Verdict, checks};

pub fn shape(head_dim: usize) -> AttentionShape {
    AttentionShape {
        head_dim,
        num_heads: 8,
        hidden_size: 8 * head_dim,
    }
}

/// An encoding by its config; parameters that its family does not take are left out.
pub fn subject(kind: &str, head_dim: usize, theta: f64, fraction: f64, context: usize) -> Subject {
    let mut config = EncodingConfig::new(kind);
    let family = positional::family(kind).expect("a known kind");
    for (name, value) in [("theta", theta), ("fraction", fraction)] {
        if family.parameters.iter().any(|known| known.name == name) {
            config = config.with(name, value);
        }
    }
    Subject::new(&config, shape(head_dim), context).expect("valid")
}

/// Frequencies as given, and perhaps a bias that it denies.
#[derive(Debug)]
pub struct Lying {
    pub spectrum: Spectrum,
    pub hidden_bias: fn(usize) -> f64,
}

impl PositionalEncoding for Lying {
    fn label(&self) -> String {
        "lying".to_owned()
    }

    fn spectrum(&self) -> Option<&Spectrum> {
        Some(&self.spectrum)
    }

    fn bias(&self, _head: usize, distance: usize) -> Option<f64> {
        Some((self.hidden_bias)(distance))
    }

    fn has_bias(&self) -> bool {
        false
    }
}

pub fn lying(frequencies: Vec<f64>, hidden_bias: fn(usize) -> f64, context: usize) -> Subject {
    let shape = shape(2 * frequencies.len());
    let spectrum = Spectrum::new(frequencies, 1.0).expect("frequencies");
    let encoding = Lying {
        spectrum,
        hidden_bias,
    };
    Subject::of_encoding(Arc::new(encoding), shape, context).expect("valid")
}

pub fn check(subject: &Subject, name: &str) -> Check {
    let all = checks(subject).into_iter();
    all.into_iter()
        .find(|check| check.name == name)
        .unwrap_or_else(|| panic!("no check {name}"))
}

#[track_caller]
pub fn assert_verdict(subject: &Subject, name: &str, verdict: Verdict) {
    let check = check(subject, name);
    let label = subject.encoding().label();
    assert_eq!(check.verdict, verdict, "{label}: {check:?}");
}
