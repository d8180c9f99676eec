//! What a decoder looks like, as plain data.
//!
//! Field names are those of Hugging Face's Gemma configurations wherever such a name exists.

use std::collections::BTreeMap;

use positional::{AttentionShape, EncodingConfig, EncodingError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How a learned `RMSNorm` gain enters the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormGain {
    /// `x / rms(x) * (1 + w)`, `w` initialised to 0 (Gemma 1 to 3).
    OnePlus,
    /// `x / rms(x) * w`, `w` initialised to 1 (Llama, Gemma 4).
    Plain,
}

impl NormGain {
    /// What is added to the learned `w`.
    pub(crate) fn offset(self) -> f32 {
        match self {
            Self::OnePlus => 1.0,
            Self::Plain => 0.0,
        }
    }
}

/// What the gate of the feed-forward layer goes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The tanh form of GELU; with the product `GeGLU` (Gemma).
    #[default]
    GeluTanh,
    /// `x * sigmoid(x)`; with the product `SwiGLU` (Llama).
    Silu,
}

/// One kind of layer: what its attention sees and how it knows position.
///
/// A [`DecoderConfig`] names its kinds and tiles the names over the layers, so that encodings can
/// differ between local and global layers (Gemma 3 and 4) or alternate (`RNoPE`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerKind {
    /// Keys a query sees, itself included, in tokens. `None`: all earlier tokens (global attention).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sliding_window: Option<usize>,
    /// Width of a head in this kind of layer; `None`: the decoder's `head_dim`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<usize>,
    /// Key-value heads in this kind of layer; `None`: the decoder's `num_key_value_heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_key_value_heads: Option<usize>,
    /// Values are the key projection before its norm and rotation (Gemma 4's global layers).
    #[serde(default)]
    pub keys_are_values: bool,
    /// The positional encoding.
    pub encoding: EncodingConfig,
}

impl LayerKind {
    /// Global attention with `encoding` and no overrides.
    pub fn global(encoding: EncodingConfig) -> Self {
        Self {
            sliding_window: None,
            head_dim: None,
            num_key_value_heads: None,
            keys_are_values: false,
            encoding,
        }
    }

    /// Sliding-window attention over `window` tokens with `encoding`.
    pub fn local(window: usize, encoding: EncodingConfig) -> Self {
        Self {
            sliding_window: Some(window),
            ..Self::global(encoding)
        }
    }
}

/// A Gemma-style decoder: embedding, blocks of attention and gated feed-forward, head.
///
/// Fields that came later are left out where they have their default, and may be missing: configs from
/// before them mean what they meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the models described"
)]
pub struct DecoderConfig {
    /// Entries of the vocabulary; set from the tokenizer.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key-value heads: 1 is multi-query attention, fewer than the query heads is grouped-query.
    pub num_key_value_heads: usize,
    /// Width of a head; even.
    pub head_dim: usize,
    /// Width of the feed-forward layer (gate and up each).
    pub intermediate_size: usize,
    /// Convention of the norms' gain.
    pub norm_gain: NormGain,
    /// Added to the mean square inside every `RMSNorm`.
    pub rms_norm_eps: f64,
    /// Learned `RMSNorm` over `head_dim` on queries and keys, before the positional encoding (Gemma 3).
    pub qk_norm: bool,
    /// `RMSNorm` without gain on values (Gemma 4).
    pub v_norm: bool,
    /// A second `RMSNorm` after attention and after the feed-forward layer (Gemma 2 and later).
    pub post_norms: bool,
    /// Logits of attention are `query_scale * q·k`; `None`: `head_dim^(-1/2)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_scale: Option<f64>,
    /// `c * tanh(logit / c)` on the attention logits (Gemma 2: 50).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attn_logit_softcapping: Option<f64>,
    /// `c * tanh(logit / c)` on the output logits (Gemma 2 and 4: 30).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_logit_softcapping: Option<f64>,
    /// Multiply the embeddings by `sqrt(hidden_size)`.
    pub scale_embeddings: bool,
    /// Activation of the feed-forward layer's gate.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hidden_activation: Activation,
    /// The output head is the embedding; `false`: it has weights of its own.
    #[serde(default = "tied", skip_serializing_if = "is_tied")]
    pub tie_word_embeddings: bool,
    /// A block's output is multiplied by a number of its own, 1 at first (Gemma 4).
    #[serde(default, skip_serializing_if = "is_default")]
    pub layer_scalar: bool,
    /// So many of the last layers have no keys and values of their own and use those of the last layer
    /// before them of their kind (Gemma 4 E2B and E4B). Such a decoder keeps all activations in training.
    #[serde(default, skip_serializing_if = "is_default")]
    pub num_kv_shared_layers: usize,
    /// The feed-forward layer of those layers is twice as wide (Gemma 4 E2B).
    #[serde(default, skip_serializing_if = "is_default")]
    pub use_double_wide_mlp: bool,
    /// Width of the input that each layer gets beside the residual stream, P; 0: none (Gemma 4 E2B and
    /// E4B, "per-layer embeddings").
    #[serde(default, skip_serializing_if = "is_default")]
    pub hidden_size_per_layer_input: usize,
    /// Names of layer kinds, repeated from the first layer to the last.
    pub pattern: Vec<String>,
    /// The layer kinds by name.
    pub layers: BTreeMap<String, LayerKind>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Default of [`DecoderConfig::tie_word_embeddings`].
fn tied() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_tied(tied: &bool) -> bool {
    *tied
}

/// Why a decoder cannot be built.
#[derive(Debug, Error)]
pub enum DecoderError {
    /// A field has an impossible value.
    #[error("{key}: {reason}")]
    Invalid {
        /// Dotted path inside the configuration, for example `head_dim` or `layers.global.head_dim`.
        key: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The positional encoding of a layer kind cannot be built.
    #[error("layers.{kind}.encoding: {source}")]
    Encoding {
        /// Name of the layer kind.
        kind: String,
        /// What the encoding said.
        source: EncodingError,
    },
}

impl DecoderError {
    fn invalid(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid {
            key: key.into(),
            reason: reason.into(),
        }
    }
}

impl DecoderConfig {
    /// The kind of layer `layer` (0-based): its name and description.
    ///
    /// # Panics
    /// If the pattern is empty or names an unknown kind; [`Self::validate`] excludes both.
    pub fn layer(&self, layer: usize) -> (&str, &LayerKind) {
        let name = &self.pattern[layer % self.pattern.len()];
        (name, &self.layers[name])
    }

    /// Width of a head in `kind`.
    pub fn head_dim_of(&self, kind: &LayerKind) -> usize {
        kind.head_dim.unwrap_or(self.head_dim)
    }

    /// Key-value heads in `kind`.
    pub fn kv_heads_of(&self, kind: &LayerKind) -> usize {
        kind.num_key_value_heads.unwrap_or(self.num_key_value_heads)
    }

    /// What the positional encoding of `kind` must know.
    pub fn attention_shape(&self, kind: &LayerKind) -> AttentionShape {
        AttentionShape {
            head_dim: self.head_dim_of(kind),
            num_heads: self.num_attention_heads,
            hidden_size: self.hidden_size,
        }
    }

    /// First layer that uses keys and values of an earlier one; the number of layers where none does.
    pub fn first_kv_shared_layer(&self) -> usize {
        self.num_hidden_layers
            .saturating_sub(self.num_kv_shared_layers)
    }

    /// Width of the feed-forward layer of `layer` (0-based).
    pub fn intermediate_size_of(&self, layer: usize) -> usize {
        let doubled = self.use_double_wide_mlp && layer >= self.first_kv_shared_layer();
        self.intermediate_size * if doubled { 2 } else { 1 }
    }

    /// Whether blocks hand each other more than the residual stream.
    pub(crate) fn carries(&self) -> bool {
        self.num_kv_shared_layers > 0 || self.hidden_size_per_layer_input > 0
    }

    /// Checks every field against every other.
    ///
    /// # Errors
    /// The first impossible value, with its key.
    pub fn validate(&self) -> Result<(), DecoderError> {
        self.check_sizes()?;
        self.check_scalars()?;
        self.check_pattern()?;
        for (name, kind) in &self.layers {
            self.check_kind(name, kind)?;
        }
        self.check_sharing()
    }

    /// A layer that uses the keys and values of another needs one of its kind before the shared ones.
    fn check_sharing(&self) -> Result<(), DecoderError> {
        let first = self.first_kv_shared_layer();
        let orphan = (first..self.num_hidden_layers).find(|shared| {
            let kind = self.layer(*shared).0;
            !(0..first).any(|layer| self.layer(layer).0 == kind)
        });
        orphan.map_or(Ok(()), |layer| {
            Err(DecoderError::invalid(
                "num_kv_shared_layers",
                format!(
                    "layer {layer} is `{}`, and no layer below {first} of that kind has keys and values to share",
                    self.layer(layer).0
                ),
            ))
        })
    }

    fn check_sizes(&self) -> Result<(), DecoderError> {
        for (key, value) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
            ("intermediate_size", self.intermediate_size),
        ] {
            if value == 0 {
                return Err(DecoderError::invalid(key, "must be at least 1"));
            }
        }
        Ok(())
    }

    fn check_scalars(&self) -> Result<(), DecoderError> {
        for (key, value) in [
            ("rms_norm_eps", Some(self.rms_norm_eps)),
            ("query_scale", self.query_scale),
            ("attn_logit_softcapping", self.attn_logit_softcapping),
            ("final_logit_softcapping", self.final_logit_softcapping),
        ] {
            if value.is_some_and(|v| !(v.is_finite() && v > 0.0)) {
                return Err(DecoderError::invalid(
                    key,
                    "must be a finite number above 0",
                ));
            }
        }
        Ok(())
    }

    fn check_pattern(&self) -> Result<(), DecoderError> {
        if self.pattern.is_empty() {
            return Err(DecoderError::invalid(
                "pattern",
                "must name at least one layer kind",
            ));
        }
        for name in &self.pattern {
            if !self.layers.contains_key(name) {
                let known: Vec<_> = self.layers.keys().map(String::as_str).collect();
                return Err(DecoderError::invalid(
                    "pattern",
                    format!("`{name}` is not a layer kind; known: {}", known.join(", ")),
                ));
            }
        }
        Ok(())
    }

    fn check_kind(&self, name: &str, kind: &LayerKind) -> Result<(), DecoderError> {
        let key = |field: &str| format!("layers.{name}.{field}");
        if kind.sliding_window == Some(0) {
            return Err(DecoderError::invalid(
                key("sliding_window"),
                "must be at least 1 token",
            ));
        }
        if kind.head_dim == Some(0) {
            return Err(DecoderError::invalid(key("head_dim"), "must be at least 1"));
        }
        let kv_heads = self.kv_heads_of(kind);
        if kv_heads == 0 || !self.num_attention_heads.is_multiple_of(kv_heads) {
            let at = match kind.num_key_value_heads {
                Some(_) => key("num_key_value_heads"),
                None => "num_key_value_heads".to_owned(),
            };
            return Err(DecoderError::invalid(
                at,
                format!(
                    "{kv_heads} key-value heads do not divide num_attention_heads = {}",
                    self.num_attention_heads
                ),
            ));
        }
        kind.encoding
            .build(self.attention_shape(kind))
            .map_err(|source| DecoderError::Encoding {
                kind: name.to_owned(),
                source,
            })?;
        Ok(())
    }
}
