//! What a `config.json` means as a decoder.

use std::collections::BTreeMap;

use decoder::{Activation, DecoderConfig, LayerKind, NormGain};
use serde_json::Value;

use crate::config::{HuggingFaceConfig, LayerOverrides, Softcap};
use crate::error::InterchangeError;
use crate::known_keys;
use crate::rotation::Rotation;

/// Layers with a window.
pub(crate) const SLIDING: &str = "sliding_attention";
/// Layers that attend to everything before them.
pub(crate) const FULL: &str = "full_attention";
/// More layers than any published model has; each costs time before its first tensor is looked for.
const MAX_LAYERS: usize = 1024;
/// Larger than any dimension of a published model, and small enough for products of three.
const MAX_SIZE: usize = 1 << 21;

/// A family of models: who computes what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Gemma 1.
    Gemma,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3, its language model.
    Gemma3,
    /// Gemma 4, its language model, dense.
    Gemma4,
    /// Llama 1 to 3, `SmolLM2` and others of the same shape.
    Llama,
}

impl Family {
    /// `model_type` of the language model, and of a model around it.
    const ALL: [(&'static str, Self); 7] = [
        ("gemma", Self::Gemma),
        ("gemma2", Self::Gemma2),
        ("gemma3_text", Self::Gemma3),
        ("gemma3", Self::Gemma3),
        ("gemma4_text", Self::Gemma4),
        ("gemma4", Self::Gemma4),
        ("llama", Self::Llama),
    ];

    fn of(model_type: Option<&str>) -> Result<Self, InterchangeError> {
        let found = Self::ALL.iter().find(|(name, _)| Some(*name) == model_type);
        found.map(|(_, family)| *family).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
            let found = model_type.map_or("missing".to_owned(), |name| format!("`{name}`"));
            InterchangeError::config(
                "model_type",
                format!("{found} is not supported; known: {}", known.join(", ")),
            )
        })
    }

    /// Gemma 2 and later have norms after attention and feed-forward too.
    pub(crate) fn has_post_norms(self) -> bool {
        matches!(self, Self::Gemma2 | Self::Gemma3 | Self::Gemma4)
    }

    fn defaults(self) -> Defaults {
        match self {
            Self::Gemma => GEMMA,
            Self::Gemma2 => Defaults {
                hidden_size: 2304,
                intermediate_size: 9216,
                layers: 26,
                heads: 8,
                kv_heads: Some(4),
                ..GEMMA
            },
            Self::Gemma3 => Defaults {
                vocab_size: 262_208,
                hidden_size: 2304,
                intermediate_size: 9216,
                layers: 26,
                heads: 8,
                kv_heads: Some(4),
                max_positions: 131_072,
                ..GEMMA
            },
            Self::Gemma4 => Defaults {
                vocab_size: 262_144,
                hidden_size: 2304,
                intermediate_size: 9216,
                layers: 30,
                heads: 8,
                kv_heads: Some(4),
                max_positions: 131_072,
                ..GEMMA
            },
            Self::Llama => Defaults {
                vocab_size: 32_000,
                hidden_size: 4096,
                intermediate_size: 11_008,
                layers: 32,
                heads: 32,
                kv_heads: None,
                head_dim: None,
                max_positions: 2048,
                tied: false,
            },
        }
    }
}

/// What transformers takes where a `config.json` says nothing.
struct Defaults {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    layers: usize,
    heads: usize,
    /// As many as heads.
    kv_heads: Option<usize>,
    /// `hidden_size / heads`.
    head_dim: Option<usize>,
    max_positions: usize,
    tied: bool,
}

const GEMMA: Defaults = Defaults {
    vocab_size: 256_000,
    hidden_size: 3072,
    intermediate_size: 24_576,
    layers: 28,
    heads: 16,
    kv_heads: Some(16),
    head_dim: Some(256),
    max_positions: 8192,
    tied: true,
};

/// A family and a shape: everything about a model but its weights.
#[derive(Clone, Debug)]
pub struct Architecture {
    /// Who computes what, and how tensors are called.
    pub family: Family,
    /// The decoder.
    pub decoder: DecoderConfig,
    /// Longest context that the model was made for, in tokens, by its own account.
    pub max_position_embeddings: usize,
    /// Keys of its configuration that are set and of which nothing is known here.
    pub unknown_keys: Vec<String>,
}

impl Architecture {
    /// Reads the language model's part of `config`.
    ///
    /// # Errors
    /// If the model is of no known family, or uses what we do not compute: which key says so.
    pub fn new(config: &HuggingFaceConfig) -> Result<Self, InterchangeError> {
        let outer = config;
        let config = outer.text_config.as_deref().unwrap_or(outer);
        let model_type = config.model_type.as_ref().or(outer.model_type.as_ref());
        let family = Family::of(model_type.map(String::as_str))?;
        for config in [outer, config] {
            refuse_what_we_do_not_compute(config)?;
        }
        let defaults = family.defaults();
        let max_position_embeddings = config
            .max_position_embeddings
            .unwrap_or(defaults.max_positions);
        let reader = Reader {
            config,
            family,
            defaults,
            max_position_embeddings,
        };
        let tied = config.tie_word_embeddings.or(outer.tie_word_embeddings);
        reader.refuse_what_other_families_compute()?;
        let decoder = reader.decoder(tied)?;
        decoder.validate()?;
        outer.bos_id(decoder.vocab_size)?;
        Ok(Self {
            family,
            decoder,
            max_position_embeddings,
            unknown_keys: known_keys::unknown(&config.other),
        })
    }
}

/// Keys that would change the numbers.
fn refuse_what_we_do_not_compute(config: &HuggingFaceConfig) -> Result<(), InterchangeError> {
    let is_set =
        |value: &Option<Value>| !matches!(value, None | Some(Value::Null | Value::Bool(false)));
    // What concerns images only is of no concern here.
    let bidirectional = is_set(&config.use_bidirectional_attention)
        && config.use_bidirectional_attention != Some(Value::from("vision"));
    for (key, asked, what) in [
        (
            "attention_bias",
            config.attention_bias == Some(true),
            "biases of projections",
        ),
        (
            "mlp_bias",
            config.mlp_bias == Some(true),
            "biases of projections",
        ),
        (
            "use_bidirectional_attention",
            bidirectional,
            "attention to later tokens",
        ),
        (
            "quantization_config",
            is_set(&config.quantization_config),
            "quantized weights",
        ),
        (
            "enable_moe_block",
            config.enable_moe_block == Some(true),
            "mixtures of experts",
        ),
    ] {
        if asked {
            return Err(InterchangeError::config(
                key,
                format!("{what} are not supported"),
            ));
        }
    }
    known_keys::refuse(&config.other)
}

struct Reader<'a> {
    config: &'a HuggingFaceConfig,
    family: Family,
    defaults: Defaults,
    max_position_embeddings: usize,
}

impl Reader<'_> {
    fn decoder(&self, tied: Option<bool>) -> Result<DecoderConfig, InterchangeError> {
        let (config, defaults) = (self.config, &self.defaults);
        let num_hidden_layers = config.num_hidden_layers.unwrap_or(defaults.layers);
        within("num_hidden_layers", num_hidden_layers, MAX_LAYERS)?;
        let size = |key: &str, value: Option<usize>, default: usize| {
            within(key, value.unwrap_or(default), MAX_SIZE)
        };
        let hidden_size = size("hidden_size", config.hidden_size, defaults.hidden_size)?;
        let heads = size(
            "num_attention_heads",
            config.num_attention_heads,
            defaults.heads,
        )?;
        let kv_heads = defaults.kv_heads.unwrap_or(heads);
        let head_dim = within("head_dim", self.head_dim(), MAX_SIZE)?;
        let gemma4 = self.family == Family::Gemma4;
        let if_gemma4 = |value: Option<usize>| value.filter(|_| gemma4).unwrap_or(0);
        let per_layer = self.per_layer_width()?;
        let (pattern, layers) = self.layers(num_hidden_layers)?;
        Ok(DecoderConfig {
            vocab_size: size("vocab_size", config.vocab_size, defaults.vocab_size)?,
            hidden_size,
            num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: size("num_key_value_heads", config.num_key_value_heads, kv_heads)?,
            head_dim,
            intermediate_size: size(
                "intermediate_size",
                config.intermediate_size,
                defaults.intermediate_size,
            )?,
            norm_gain: match self.family {
                Family::Gemma | Family::Gemma2 | Family::Gemma3 => NormGain::OnePlus,
                Family::Gemma4 | Family::Llama => NormGain::Plain,
            },
            rms_norm_eps: config.rms_norm_eps.unwrap_or(1e-6),
            qk_norm: matches!(self.family, Family::Gemma3 | Family::Gemma4),
            v_norm: gemma4,
            post_norms: self.family.has_post_norms(),
            query_scale: self.query_scale(),
            attn_logit_softcapping: self.attention_softcap()?,
            final_logit_softcapping: self.softcap(config.final_logit_softcapping, 30.0),
            scale_embeddings: self.family != Family::Llama,
            hidden_activation: self.activation()?,
            tie_word_embeddings: tied.unwrap_or(defaults.tied),
            layer_scalar: gemma4,
            num_kv_shared_layers: if_gemma4(config.num_kv_shared_layers),
            use_double_wide_mlp: gemma4 && config.use_double_wide_mlp == Some(true),
            hidden_size_per_layer_input: per_layer,
            pattern,
            layers,
        })
    }

    fn query_scale(&self) -> Option<f64> {
        let scalar = self.config.query_pre_attn_scalar.unwrap_or(256.0);
        match self.family {
            Family::Gemma | Family::Llama => None,
            Family::Gemma2 | Family::Gemma3 => Some(scalar.powf(-0.5)),
            Family::Gemma4 => Some(1.0),
        }
    }

    /// A cap that is absent is Gemma 2's `default`, and none for the others.
    fn softcap(&self, given: Softcap, default: f64) -> Option<f64> {
        match (self.family, given) {
            (Family::Gemma2, Softcap::OfFamily) => Some(default),
            (_, Softcap::Off | Softcap::OfFamily) => None,
            (_, Softcap::At(cap)) => Some(cap),
        }
    }

    /// Gemma 2 alone caps attention's logits. The later configs have the key, and transformers ignores it.
    fn attention_softcap(&self) -> Result<Option<f64>, InterchangeError> {
        let cap = self.softcap(self.config.attn_logit_softcapping, 50.0);
        if cap.is_some() && self.family != Family::Gemma2 {
            let reason = "only Gemma 2 caps the logits of attention";
            return Err(InterchangeError::config("attn_logit_softcapping", reason));
        }
        Ok(cap)
    }

    /// Keys that one family reads and another ignores: on in a file of the other, they would change the numbers of
    /// whoever made it.
    fn refuse_what_other_families_compute(&self) -> Result<(), InterchangeError> {
        let (config, family) = (self.config, self.family);
        let one_kind = matches!(family, Family::Gemma | Family::Llama);
        let gemma4 = family == Family::Gemma4;
        let is_on = |count: Option<usize>| count.is_some_and(|count| count > 0);
        let has_window = config
            .sliding_window
            .is_some_and(|window| window < self.max_position_embeddings)
            && config.other.get("use_sliding_window") != Some(&Value::Bool(false));
        let has_kinds = config.layer_types.as_ref();
        let has_kinds = has_kinds.is_some_and(|types| types.iter().any(|kind| kind != FULL));
        for (key, asked, computed) in [
            ("sliding_window", has_window, !one_kind),
            ("layer_types", has_kinds, !one_kind),
            (
                "final_logit_softcapping",
                matches!(config.final_logit_softcapping, Softcap::At(_)),
                !one_kind,
            ),
            (
                "rope_local_base_freq",
                config.rope_local_base_freq.is_some(),
                family == Family::Gemma3,
            ),
            (
                "per_layer_config",
                config
                    .per_layer_config
                    .as_ref()
                    .is_some_and(|m| !m.is_empty()),
                gemma4,
            ),
            (
                "attention_k_eq_v",
                config.attention_k_eq_v == Some(true),
                gemma4,
            ),
            (
                "num_kv_shared_layers",
                is_on(config.num_kv_shared_layers),
                gemma4,
            ),
            (
                "use_double_wide_mlp",
                config.use_double_wide_mlp == Some(true),
                gemma4,
            ),
            (
                "hidden_size_per_layer_input",
                is_on(config.hidden_size_per_layer_input),
                gemma4,
            ),
            (
                "rope_scaling",
                gemma4 && config.rope_scaling.is_some(),
                false,
            ),
            ("rope_theta", gemma4 && config.rope_theta.is_some(), false),
        ] {
            if asked && !computed {
                let reason = format!("{family:?} does not read it, and it changes the numbers");
                return Err(InterchangeError::config(key, reason));
            }
        }
        self.refuse_other_query_scales()
    }

    /// Gemma 2 and 3 read the scale of queries, the others have one.
    fn refuse_other_query_scales(&self) -> Result<(), InterchangeError> {
        let own = match self.family {
            Family::Gemma2 | Family::Gemma3 => return Ok(()),
            Family::Gemma4 => 1.0,
            Family::Gemma | Family::Llama => self.head_dim() as f64,
        };
        match self.config.query_pre_attn_scalar {
            Some(scalar) if (scalar / own - 1.0).abs() > 1e-9 => Err(InterchangeError::config(
                "query_pre_attn_scalar",
                format!("{scalar}, but {:?} computes as with {own}", self.family),
            )),
            _ => Ok(()),
        }
    }

    fn head_dim(&self) -> usize {
        let config = self.config;
        let by_default = || {
            let hidden_size = config.hidden_size.unwrap_or(self.defaults.hidden_size);
            let heads = config.num_attention_heads.unwrap_or(self.defaults.heads);
            self.defaults.head_dim.unwrap_or(hidden_size / heads.max(1))
        };
        config.head_dim.unwrap_or_else(by_default)
    }

    fn activation(&self) -> Result<Activation, InterchangeError> {
        let config = self.config;
        let default = match self.family {
            Family::Llama => "silu",
            _ => "gelu_pytorch_tanh",
        };
        // Gemma 1 and Llama read `hidden_act`, the later ones `hidden_activation`; files have one or both.
        let act = ("hidden_act", config.hidden_act.as_deref());
        let activation = ("hidden_activation", config.hidden_activation.as_deref());
        let ((key, name), (other_key, other)) = match self.family {
            Family::Gemma | Family::Llama => (act, activation),
            _ => (activation, act),
        };
        let name = name.unwrap_or(default);
        // For Gemma 1 "gelu" is "a legacy value of the official releases", says transformers.
        let is_gelu = |name: &str| matches!(name, "gelu_pytorch_tanh" | "gelu_new" | "gelu");
        let is_silu = |name: &str| matches!(name, "silu" | "swish");
        if let Some(other) = other
            && (is_gelu(name) && is_silu(other) || is_silu(name) && is_gelu(other))
        {
            let reason = format!("`{name}` contradicts {other_key}, which is `{other}`");
            return Err(InterchangeError::config(key, reason));
        }
        match (self.family, name) {
            (_, "gelu_pytorch_tanh") | (Family::Gemma, "gelu") => Ok(Activation::GeluTanh),
            (_, "silu" | "swish") => Ok(Activation::Silu),
            (_, other) => Err(InterchangeError::config(
                key,
                format!("`{other}` is not supported; known: gelu_pytorch_tanh, silu"),
            )),
        }
    }

    fn per_layer_width(&self) -> Result<usize, InterchangeError> {
        let config = self.config;
        if self.family != Family::Gemma4 {
            return Ok(0);
        }
        let width = config.hidden_size_per_layer_input.unwrap_or(256);
        let vocabulary = config.vocab_size.unwrap_or(self.defaults.vocab_size);
        let table = config.vocab_size_per_layer_input.unwrap_or(262_144);
        if width > 0 && table != vocabulary {
            let reason = format!("{table} differs from vocab_size, which is not supported");
            return Err(InterchangeError::config(
                "vocab_size_per_layer_input",
                reason,
            ));
        }
        within("hidden_size_per_layer_input", width.max(1), MAX_SIZE)?;
        Ok(width)
    }

    /// The kind of each layer, and the kinds.
    fn layers(
        &self,
        count: usize,
    ) -> Result<(Vec<String>, BTreeMap<String, LayerKind>), InterchangeError> {
        let pattern = self.layer_types(count)?;
        let mut layers = BTreeMap::new();
        for name in [SLIDING, FULL] {
            if pattern.iter().any(|layer| layer == name) {
                layers.insert(name.to_owned(), self.kind(name, &pattern)?);
            }
        }
        Ok((pattern, layers))
    }

    fn layer_types(&self, count: usize) -> Result<Vec<String>, InterchangeError> {
        let every = match self.family {
            Family::Gemma | Family::Llama => return Ok(vec![FULL.to_owned(); count]),
            Family::Gemma2 => 2,
            Family::Gemma3 => {
                let config = self.config;
                let every = config
                    .sliding_window_pattern
                    .or(config.private_sliding_window_pattern);
                every.unwrap_or(6).max(1)
            }
            Family::Gemma4 => 6,
        };
        let by_default = |layer: usize| {
            let full = (layer + 1).is_multiple_of(every);
            if full { FULL } else { SLIDING }.to_owned()
        };
        let mut types = match &self.config.layer_types {
            Some(types) => types.clone(),
            None => (0..count).map(by_default).collect(),
        };
        let wrong = |reason| Err(InterchangeError::config("layer_types", reason));
        if types.len() != count {
            return wrong(format!("{} entries for {count} layers", types.len()));
        }
        if let Some(other) = types.iter().find(|kind| *kind != SLIDING && *kind != FULL) {
            return wrong(format!(
                "`{other}` is not supported; known: {SLIDING}, {FULL}"
            ));
        }
        if let (Family::Gemma4, Some(last)) = (self.family, types.last_mut()) {
            FULL.clone_into(last); // transformers forces it
        }
        Ok(types)
    }

    fn kind(&self, name: &str, pattern: &[String]) -> Result<LayerKind, InterchangeError> {
        let rotation = Rotation {
            config: self.config,
            family: self.family,
            max_position_embeddings: self.max_position_embeddings,
        };
        let encoding = rotation.encoding(name)?;
        let config = self.config;
        if name == SLIDING {
            let default = if self.family == Family::Gemma4 {
                512
            } else {
                4096
            };
            let window = config.sliding_window.unwrap_or(default);
            return Ok(LayerKind::local(window, encoding));
        }
        let mut kind = LayerKind::global(encoding);
        if self.family == Family::Gemma4 {
            let overrides = self.full_attention_overrides(pattern)?;
            kind.head_dim = overrides.head_dim;
            kind.num_key_value_heads = overrides.num_key_value_heads;
            kind.keys_are_values = config.attention_k_eq_v == Some(true);
            if let Some(head_dim) = kind.head_dim {
                within("global_head_dim", head_dim, MAX_SIZE)?;
            }
        }
        Ok(kind)
    }

    /// Sizes of Gemma 4's full-attention layers, in today's spelling and in the first one.
    fn full_attention_overrides(
        &self,
        pattern: &[String],
    ) -> Result<LayerOverrides, InterchangeError> {
        let config = self.config;
        let Some(by_layer) = &config.per_layer_config else {
            let shares = config.attention_k_eq_v == Some(true);
            return Ok(LayerOverrides {
                head_dim: Some(config.global_head_dim.unwrap_or(512)),
                num_key_value_heads: config.num_global_key_value_heads.filter(|_| shares),
            });
        };
        let wrong = |reason: String| InterchangeError::config("per_layer_config", reason);
        let mut common: Option<LayerOverrides> = None;
        for (layer, kind) in pattern.iter().enumerate() {
            let overrides = by_layer
                .get(&layer.to_string())
                .cloned()
                .unwrap_or_default();
            if kind == SLIDING {
                if overrides != LayerOverrides::default() {
                    return Err(wrong(format!(
                        "layer {layer}, {SLIDING}, has sizes of its own"
                    )));
                }
            } else if *common.get_or_insert_with(|| overrides.clone()) != overrides {
                return Err(wrong(format!(
                    "layer {layer} differs from other {FULL} layers"
                )));
            }
        }
        Ok(common.unwrap_or_default())
    }
}

fn within(key: &str, value: usize, largest: usize) -> Result<usize, InterchangeError> {
    if (1..=largest).contains(&value) {
        return Ok(value);
    }
    let reason = format!("{value} is not in 1 to {largest}");
    Err(InterchangeError::config(key, reason))
}
