//! Rotary parameters as Hugging Face writes them, as encodings of ours.

use positional::EncodingConfig;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::InterchangeError;

/// `rope_parameters`, or the older `rope_scaling`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are Hugging Face's own")]
pub struct RopeParameters {
    pub rope_type: Option<String>,
    #[serde(rename = "type")]
    pub old_type: Option<String>,
    pub rope_theta: Option<f64>,
    pub partial_rotary_factor: Option<f64>,
    pub factor: Option<f64>,
    pub original_max_position_embeddings: Option<f64>,
    pub low_freq_factor: Option<f64>,
    pub high_freq_factor: Option<f64>,
    pub beta_fast: Option<f64>,
    pub beta_slow: Option<f64>,
    pub attention_factor: Option<f64>,
    pub mscale: Option<f64>,
    pub mscale_all_dim: Option<f64>,
    pub truncate: Option<bool>,
}

/// Rotary types that are known, for messages.
const KNOWN: &str = "default, proportional, linear, llama3, yarn";

impl RopeParameters {
    /// The parameters in `map`, which stands under `key` of the config.
    pub(crate) fn parse(key: &str, map: &Map<String, Value>) -> Result<Self, InterchangeError> {
        serde_json::from_value(Value::Object(map.clone()))
            .map_err(|error| InterchangeError::config(key, error.to_string()))
    }

    /// The encoding. `theta` stands in for a missing `rope_theta`, `context` for a missing
    /// `original_max_position_embeddings`, as in transformers.
    ///
    /// # Errors
    /// For a type that is not known, a parameter that is missing, or one that we do not compute; `key`
    /// is where it stands.
    pub(crate) fn encoding(
        &self,
        key: &str,
        theta: f64,
        context: usize,
    ) -> Result<EncodingConfig, InterchangeError> {
        let wrong = |name: &str, reason: &str| {
            Err(InterchangeError::config(format!("{key}.{name}"), reason))
        };
        let rope_type = self.rope_type.as_ref().or(self.old_type.as_ref());
        let rope_type = rope_type.map_or("default", String::as_str);
        let theta = self.rope_theta.unwrap_or(theta);
        let rotary = |kind: &str| EncodingConfig::new(kind).with("theta", theta);
        let required = |name: &str, value: Option<f64>| {
            let missing = || InterchangeError::config(format!("{key}.{name}"), "missing");
            value.ok_or_else(missing)
        };
        let partial = self.partial_rotary_factor.unwrap_or(1.0);
        if rope_type != "proportional" && !is_one(partial) {
            return wrong(
                "partial_rotary_factor",
                "fewer coordinates than the head's rotate, which is supported for `proportional` only",
            );
        }
        let original = self.original_max_position_embeddings;
        let original = original.unwrap_or(context as f64);
        match rope_type {
            "default" => Ok(rotary("rope")),
            "proportional" if !is_one(self.factor.unwrap_or(1.0)) => wrong(
                "factor",
                "`proportional` with another factor than 1 is not supported",
            ),
            "proportional" => Ok(rotary("prope").with("fraction", partial)),
            "linear" => Ok(rotary("rope_linear").with("factor", required("factor", self.factor)?)),
            "llama3" => Ok(rotary("rope_llama3")
                .with("factor", required("factor", self.factor)?)
                .with(
                    "low_freq_factor",
                    required("low_freq_factor", self.low_freq_factor)?,
                )
                .with(
                    "high_freq_factor",
                    required("high_freq_factor", self.high_freq_factor)?,
                )
                .with("original_max_position_embeddings", original)),
            "yarn" => {
                for (name, value) in [
                    ("attention_factor", self.attention_factor),
                    ("mscale", self.mscale),
                    ("mscale_all_dim", self.mscale_all_dim),
                ] {
                    if value.is_some() {
                        return wrong(name, "only YaRN's own 0.1 ln(factor) + 1 is supported");
                    }
                }
                if self.truncate == Some(false) {
                    return wrong("truncate", "`false` is not supported");
                }
                Ok(rotary("rope_yarn")
                    .with("factor", required("factor", self.factor)?)
                    .with("beta_fast", self.beta_fast.unwrap_or(32.0))
                    .with("beta_slow", self.beta_slow.unwrap_or(1.0))
                    .with("original_max_position_embeddings", original))
            }
            other => wrong(
                "rope_type",
                &format!("`{other}` is not supported; known: {KNOWN}"),
            ),
        }
    }
}

fn is_one(value: f64) -> bool {
    (value - 1.0).abs() < f64::EPSILON
}
