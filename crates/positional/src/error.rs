//! What can be wrong with a requested encoding.

use crate::Interval;

/// Why an encoding could not be made. Messages say what is wrong and what to write instead;
/// [`EncodingError::parameter`] names the key of the config to point at.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// No family has this kind.
    #[error("unknown encoding kind `{kind}`{}; known kinds: {}", did_you_mean(*.suggestion), list(.known))]
    UnknownKind {
        /// The kind asked for.
        kind: String,
        /// The known kind spelled most like it, when one is close.
        suggestion: Option<&'static str>,
        /// Every known kind.
        known: Vec<&'static str>,
    },
    /// The family exists and has no parameter of this name.
    #[error("`{kind}` takes no `{name}`{}; {}", did_you_mean(*.suggestion), taken(.known))]
    UnknownParameter {
        /// The family's kind.
        kind: &'static str,
        /// The parameter given.
        name: String,
        /// The family's parameter spelled most like it, when one is close.
        suggestion: Option<&'static str>,
        /// Every parameter of the family.
        known: Vec<&'static str>,
    },
    /// The value lies outside the parameter's range, or is not a finite number.
    #[error("`{name}` of `{kind}` is {value}; it must be a finite number in {range}")]
    OutOfRange {
        /// The family's kind.
        kind: &'static str,
        /// The parameter.
        name: &'static str,
        /// The value given.
        value: f64,
        /// The values allowed.
        range: Interval,
    },
    /// A size of the attention is zero or odd where the encoding works on pairs.
    #[error(
        "`{name}` is {size}; the encoding pairs its coordinates, so it must be even and at least 2"
    )]
    OddSize {
        /// `head_dim` or `hidden_size`.
        name: &'static str,
        /// The size given.
        size: usize,
    },
    /// The attention has no heads where the encoding needs one slope for each.
    #[error("`num_heads` is 0; the encoding has one slope a head, so it must be at least 1")]
    NoHeads,
    /// A spectrum without any frequency.
    #[error("`frequencies` is empty; a spectrum has `head_dim / 2` of them, at least one")]
    EmptySpectrum,
    /// A frequency that is negative, infinite or NaN.
    #[error(
        "`frequencies`[{pair}] is {value}; a frequency is a finite number of radians per token, 0 or more"
    )]
    InvalidFrequency {
        /// The coordinate pair whose frequency it is.
        pair: usize,
        /// The frequency given, in radians per token.
        value: f64,
    },
    /// An amplitude that is not a positive finite number.
    #[error("`amplitude` is {value}; it must be a finite number in (0, ∞), and 1 changes nothing")]
    InvalidAmplitude {
        /// The amplitude given.
        value: f64,
    },
}

impl EncodingError {
    /// The key of the config or the field of the shape at fault, to point at: `kind`, a
    /// parameter's name, `head_dim`, `num_heads`, `hidden_size`.
    pub fn parameter(&self) -> Option<&str> {
        Some(match self {
            Self::UnknownKind { .. } => "kind",
            Self::UnknownParameter { name, .. } => name,
            Self::OutOfRange { name, .. } | Self::OddSize { name, .. } => name,
            Self::NoHeads => "num_heads",
            Self::EmptySpectrum | Self::InvalidFrequency { .. } => "frequencies",
            Self::InvalidAmplitude { .. } => "amplitude",
        })
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}

fn taken(names: &[&str]) -> String {
    if names.is_empty() {
        "it has no parameters".to_owned()
    } else {
        format!("it takes {}", list(names))
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
