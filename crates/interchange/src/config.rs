//! A Hugging Face `config.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::InterchangeError;
use crate::json::{self, MAX_CONFIG};
use crate::known_keys::shown;

/// The keys of a `config.json` that decide what a decoder computes, by Hugging Face's names. What a file
/// leaves out is `None`; [`crate::Architecture`] knows each family's defaults.
///
/// Other readers (GGUF) fill in the fields they know and leave the rest to `..Default::default()`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are Hugging Face's own")]
pub struct HuggingFaceConfig {
    pub model_type: Option<String>,
    /// The language model inside a model that also sees or hears.
    pub text_config: Option<Box<HuggingFaceConfig>>,
    pub vocab_size: Option<usize>,
    pub hidden_size: Option<usize>,
    pub intermediate_size: Option<usize>,
    pub num_hidden_layers: Option<usize>,
    pub num_attention_heads: Option<usize>,
    pub num_key_value_heads: Option<usize>,
    pub head_dim: Option<usize>,
    pub hidden_act: Option<String>,
    pub hidden_activation: Option<String>,
    pub max_position_embeddings: Option<usize>,
    pub rms_norm_eps: Option<f64>,
    pub tie_word_embeddings: Option<bool>,
    /// An id, or a list of them.
    pub bos_token_id: Option<Value>,
    pub attention_bias: Option<bool>,
    pub mlp_bias: Option<bool>,
    /// `true`, `false`, or a word.
    pub use_bidirectional_attention: Option<Value>,
    pub quantization_config: Option<Value>,
    // Rotary encoding: today's spelling, yesterday's, and Gemma 3's.
    pub rope_parameters: Option<Map<String, Value>>,
    pub rope_scaling: Option<Map<String, Value>>,
    pub rope_theta: Option<f64>,
    pub rope_local_base_freq: Option<f64>,
    // Beside today's spelling these stand inside it.
    pub partial_rotary_factor: Option<f64>,
    pub original_max_position_embeddings: Option<f64>,
    // Layers of several kinds.
    pub sliding_window: Option<usize>,
    pub layer_types: Option<Vec<String>>,
    pub sliding_window_pattern: Option<usize>,
    /// As transformers writes it. A file that it read with the other name and wrote again has both.
    #[serde(rename = "_sliding_window_pattern")]
    pub private_sliding_window_pattern: Option<usize>,
    // Gemma 2 and 3.
    pub query_pre_attn_scalar: Option<f64>,
    pub attn_logit_softcapping: Softcap,
    pub final_logit_softcapping: Softcap,
    // Gemma 4.
    pub global_head_dim: Option<usize>,
    pub num_global_key_value_heads: Option<usize>,
    pub per_layer_config: Option<BTreeMap<String, LayerOverrides>>,
    pub attention_k_eq_v: Option<bool>,
    pub num_kv_shared_layers: Option<usize>,
    pub use_double_wide_mlp: Option<bool>,
    pub hidden_size_per_layer_input: Option<usize>,
    pub vocab_size_per_layer_input: Option<usize>,
    pub enable_moe_block: Option<bool>,
    /// Every other key.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What `per_layer_config` says about one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names are Hugging Face's own")]
pub struct LayerOverrides {
    pub head_dim: Option<usize>,
    pub num_key_value_heads: Option<usize>,
}

/// A cap of logits. A key that is absent and one that is `null` mean different things.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Softcap {
    /// What the family does where nothing is said.
    #[default]
    OfFamily,
    /// None.
    Off,
    /// `c * tanh(logit / c)`.
    At(f64),
}

impl<'de> Deserialize<'de> for Softcap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cap = Option::deserialize(deserializer)?;
        Ok(cap.map_or(Self::Off, Self::At))
    }
}

impl HuggingFaceConfig {
    /// Reads the `config.json` in `folder`.
    ///
    /// # Errors
    /// If it is missing, larger than 4 MiB, no JSON, or a value has another type than Hugging Face's.
    pub fn read(folder: &Path) -> Result<Self, InterchangeError> {
        json::read(&folder.join("config.json"), MAX_CONFIG)
    }

    /// The id that `bos_token_id` names, of the language model if there are several.
    ///
    /// # Errors
    /// If it is no number, or none below `vocab_size`: no token has it.
    pub(crate) fn bos_id(&self, vocab_size: usize) -> Result<Option<u64>, InterchangeError> {
        let inner = self.text_config.as_deref();
        let given = inner.and_then(|config| config.bos_token_id.as_ref());
        let Some(given) = given.or(self.bos_token_id.as_ref()) else {
            return Ok(None);
        };
        let first = match given {
            Value::Array(ids) => ids.first(),
            id => Some(id),
        };
        let id = first.and_then(Value::as_u64);
        let id = id.filter(|id| usize::try_from(*id).is_ok_and(|id| id < vocab_size));
        id.map(Some).ok_or_else(|| {
            let first = first.unwrap_or(&Value::Null);
            let reason = format!(
                "{} is no token: the vocabulary has ids below {vocab_size}",
                shown(first)
            );
            InterchangeError::config("bos_token_id", reason)
        })
    }
}
