//! An encoding as a config writes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AttentionShape, BuildResult, EncodingError, family};

/// One encoding in a config: its kind and its numeric parameters.
///
/// In TOML: `{ kind = "prope", theta = 10_000, fraction = 0.75 }`. What is left out takes the
/// default its [`Family`](crate::Family) declares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncodingConfig {
    /// A [`Family::kind`](crate::Family::kind).
    pub kind: String,
    /// Values by [`Parameter::name`](crate::Parameter::name).
    #[serde(flatten)]
    pub parameters: BTreeMap<String, f64>,
}

impl EncodingConfig {
    /// The encoding `kind` with its defaults. Nothing is checked yet.
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            parameters: BTreeMap::new(),
        }
    }

    /// The same encoding with the parameter `name` set to `value`. Nothing is checked yet.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.parameters.insert(name.to_owned(), value);
        self
    }

    /// The same encoding with every default written out: what a run directory should record.
    ///
    /// # Errors
    /// An unknown kind, a parameter the kind does not take, or a value out of its range.
    pub fn resolved(&self) -> Result<Self, EncodingError> {
        let parameters = family(&self.kind)?.resolve(&self.parameters)?;
        Ok(Self {
            kind: self.kind.clone(),
            parameters: parameters.into(),
        })
    }

    /// Builds the encoding for one shape of attention.
    ///
    /// # Errors
    /// Those of [`EncodingConfig::resolved`], and a shape the encoding cannot serve, such as an
    /// odd `head_dim` for a rotary one.
    pub fn build(&self, shape: AttentionShape) -> BuildResult {
        let family = family(&self.kind)?;
        (family.build)(&family.resolve(&self.parameters)?, shape)
    }
}
