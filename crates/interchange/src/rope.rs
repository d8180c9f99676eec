//! Rotary parameters as Hugging Face writes them, as encodings of ours.

use gguf::shortened;
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
    /// Whether the model was trained with the scaling, which changes nothing.
    pub finetuned: Option<bool>,
    /// Of `longrope` only, so not used.
    pub short_factor: Option<Value>,
    /// Of `longrope` only, so not used.
    pub long_factor: Option<Value>,
    /// What is none of these.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Rotary types that are known, for messages.
const KNOWN: &str = "default, proportional, linear, llama3, yarn";
/// How far a written `attention_factor` may be from that of `YaRN` itself, as a part of it: files have it rounded.
const ROUNDING: f64 = 1e-6;

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
        if let Some(name) = self.unknown() {
            return wrong(
                &shortened(name),
                "is not known, and may change the rotation",
            );
        }
        let rope_type = self.rope_type(key)?;
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
                let factor = required("factor", self.factor)?;
                self.require_own_attention(key, factor)?;
                if self.truncate == Some(false) {
                    return wrong("truncate", "`false` is not supported");
                }
                Ok(rotary("rope_yarn")
                    .with("factor", factor)
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

    /// A key of no meaning here that is set.
    fn unknown(&self) -> Option<&str> {
        let set = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
        let mut other = self.other.iter();
        other
            .find(|(_, value)| set(value))
            .map(|(name, _)| name.as_str())
    }

    /// The type, in today's spelling or in the old one.
    fn rope_type(&self, key: &str) -> Result<&str, InterchangeError> {
        match (&self.rope_type, &self.old_type) {
            (Some(new), Some(old)) if new != old => Err(InterchangeError::config(
                format!("{key}.type"),
                format!("`{old}` contradicts {key}.rope_type, which is `{new}`"),
            )),
            (Some(rope_type), _) | (None, Some(rope_type)) => Ok(rope_type),
            (None, None) => Ok("default"),
        }
    }

    /// That queries and keys are made longer by the amount of `YaRN` itself, 0.1 ln(factor) + 1, whether it is written out or not.
    /// Zero stands for a value that is not there, as in transformers.
    fn require_own_attention(&self, key: &str, factor: f64) -> Result<(), InterchangeError> {
        let amount = |scale: f64| 0.1 * scale * factor.max(1.0).ln() + 1.0;
        let given = |value: Option<f64>| value.filter(|value| *value != 0.0);
        let (name, asked) = match (given(self.mscale), given(self.mscale_all_dim)) {
            _ if self.attention_factor.is_some() => ("attention_factor", self.attention_factor),
            (Some(scale), Some(all)) => ("mscale", Some(amount(scale) / amount(all))),
            // One without the other does nothing in transformers.
            _ => ("mscale", None),
        };
        let own = amount(1.0);
        if asked.is_none_or(|asked| (asked / own - 1.0).abs() <= ROUNDING) {
            return Ok(());
        }
        let asked = asked.unwrap_or(own);
        Err(InterchangeError::config(
            format!("{key}.{name}"),
            format!(
                "lengthens queries and keys by {asked}; only YaRN's own 0.1 ln(factor) + 1, here {own}, is supported"
            ),
        ))
    }
}

fn is_one(value: f64) -> bool {
    (value - 1.0).abs() < f64::EPSILON
}
