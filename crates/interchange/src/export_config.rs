//! The `config.json` of the Hugging Face architecture that computes what a decoder of ours does.

use decoder::{Activation, DecoderConfig, LayerKind, NormGain};
use serde_json::{Map, Value, json};

use crate::architecture::{FULL, Family, SLIDING};
use crate::error::InterchangeError;
use crate::export_rope::{old_rope_keys, rope_parameters};

/// What an export needs to know besides the decoder.
pub(crate) struct Context {
    /// Longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// Id of the beginning-of-sequence token.
    pub bos: u32,
}

fn refusal<T>(reason: impl Into<String>) -> Result<T, InterchangeError> {
    Err(InterchangeError::NotExpressible(reason.into()))
}

/// The family that computes `config`, exactly.
///
/// # Errors
/// If there is none: which option stands in the way.
pub(crate) fn family(config: &DecoderConfig) -> Result<Family, InterchangeError> {
    let family = match (
        config.norm_gain,
        config.qk_norm,
        config.post_norms,
        config.v_norm,
    ) {
        (NormGain::OnePlus, false, false, false) => Family::Gemma,
        (NormGain::OnePlus, false, true, false) => Family::Gemma2,
        (NormGain::OnePlus, true, true, false) => Family::Gemma3,
        (NormGain::Plain, true, true, true) => Family::Gemma4,
        (NormGain::Plain, false, false, false) => Family::Llama,
        (gain, qk, post, v) => {
            return refusal(format!(
                "norm_gain = {gain:?}, qk_norm = {qk}, post_norms = {post}, v_norm = {v} is none of Gemma 1 (OnePlus, \
                 none of the three), Gemma 2 (post_norms), Gemma 3 (qk_norm, post_norms), Gemma 4 (Plain, all three), \
                 Llama (Plain, none)"
            ));
        }
    };
    check(family, config)?;
    Ok(family)
}

/// That `family` has everything else that `config` asks for.
fn check(family: Family, config: &DecoderConfig) -> Result<(), InterchangeError> {
    let gemma4 = family == Family::Gemma4;
    let has_windows = !matches!(family, Family::Gemma | Family::Llama);
    let query_scale_fits = match family {
        Family::Gemma | Family::Llama => config.query_scale.is_none(),
        Family::Gemma2 | Family::Gemma3 => query_pre_attn_scalar(config).is_some(),
        Family::Gemma4 => config
            .query_scale
            .is_some_and(|scale| (scale - 1.0).abs() < 1e-12),
    };
    let any_kind = |has: fn(&LayerKind) -> bool| config.layers.values().any(has);
    for (what, asked, there) in [
        (
            "scale_embeddings",
            config.scale_embeddings != (family != Family::Llama),
            false,
        ),
        ("query_scale", true, query_scale_fits),
        (
            "attn_logit_softcapping",
            config.attn_logit_softcapping.is_some(),
            family == Family::Gemma2,
        ),
        (
            "final_logit_softcapping",
            config.final_logit_softcapping.is_some(),
            has_windows,
        ),
        (
            "sliding_window",
            any_kind(|kind| kind.sliding_window.is_some()),
            has_windows,
        ),
        (
            "head_dim or num_key_value_heads of a layer kind",
            any_kind(|kind| kind.head_dim.is_some() || kind.num_key_value_heads.is_some()),
            gemma4,
        ),
        (
            "keys_are_values",
            any_kind(|kind| kind.keys_are_values),
            gemma4,
        ),
        ("layer_scalar", config.layer_scalar, gemma4),
        (
            "num_kv_shared_layers",
            config.num_kv_shared_layers > 0,
            gemma4,
        ),
        (
            "hidden_size_per_layer_input",
            config.hidden_size_per_layer_input > 0,
            gemma4,
        ),
    ] {
        if asked && !there {
            return refusal(format!(
                "{family:?}, the nearest, computes `{what}` otherwise"
            ));
        }
    }
    Ok(())
}

/// `query_scale^(-2)`, which transformers wants to be an integer.
fn query_pre_attn_scalar(config: &DecoderConfig) -> Option<u64> {
    let scale = config.query_scale;
    let scalar = scale.map_or(config.head_dim as f64, |scale| scale.powi(-2));
    let rounded = scalar.round();
    ((scalar - rounded).abs() < 1e-9 * scalar && rounded >= 1.0).then_some(rounded as u64)
}

/// The `config.json`.
///
/// # Errors
/// If an encoding or the arrangement of layers has no name there.
pub(crate) fn config_json(
    family: Family,
    config: &DecoderConfig,
    context: &Context,
) -> Result<Value, InterchangeError> {
    let mut json = common(family, config, context);
    let types = layer_types(config)?;
    json.extend(rotation(family, config, &types, context)?);
    if !matches!(family, Family::Gemma | Family::Llama) {
        let window = config.layers.values().find_map(|kind| kind.sliding_window);
        let window = window.unwrap_or(context.max_position_embeddings);
        json.insert("sliding_window".into(), window.into());
        json.insert("layer_types".into(), json!(types));
    }
    if family == Family::Gemma3
        && let Some(every) = period(&types)
    {
        // Where readers before `layer_types` take the kinds of layers from.
        json.insert("sliding_window_pattern".into(), every.into());
    }
    if matches!(family, Family::Gemma2 | Family::Gemma3) {
        let scalar = query_pre_attn_scalar(config).unwrap_or(config.head_dim as u64);
        json.insert("query_pre_attn_scalar".into(), scalar.into());
        json.insert(
            "attn_logit_softcapping".into(),
            json!(config.attn_logit_softcapping),
        );
    }
    if family == Family::Gemma4 {
        gemma4(config, &types, &mut json)?;
    }
    Ok(Value::Object(json))
}

/// The keys of rotary encoding, today's and the old ones.
fn rotation(
    family: Family,
    config: &DecoderConfig,
    types: &[&str],
    context: &Context,
) -> Result<Map<String, Value>, InterchangeError> {
    let of = |name: &str| types.iter().position(|kind| *kind == name);
    let rope_of = |layer: usize| {
        let kind = config.layer(layer).1;
        let shape = config.attention_shape(kind);
        rope_parameters(&kind.encoding, shape, context.max_position_embeddings)
    };
    let (sliding, full) = (of(SLIDING), of(FULL));
    if let (Family::Gemma2, Some(sliding), Some(full)) = (family, sliding, full)
        && config.layer(sliding).1.encoding != config.layer(full).1.encoding
    {
        return refusal("Gemma 2, the nearest, has one encoding for all layers");
    }
    if !matches!(family, Family::Gemma3 | Family::Gemma4) {
        let rope = rope_of(0)?;
        let mut keys = old_rope_keys(&rope, None);
        keys.insert("rope_parameters".into(), rope.into());
        return Ok(keys);
    }
    // A kind that no layer has must be there all the same.
    let local = rope_of(sliding.unwrap_or(0))?;
    let global = rope_of(full.unwrap_or(0))?;
    let mut keys = match family {
        Family::Gemma3 => old_rope_keys(&global, sliding.map(|_| &local)),
        // Readers of the old keys do not know Gemma 4.
        _ => Map::new(),
    };
    let by_kind = json!({ SLIDING: local, FULL: global });
    keys.insert("rope_parameters".into(), by_kind);
    Ok(keys)
}

fn common(family: Family, config: &DecoderConfig, context: &Context) -> Map<String, Value> {
    let (model_type, class) = match family {
        Family::Gemma => ("gemma", "GemmaForCausalLM"),
        Family::Gemma2 => ("gemma2", "Gemma2ForCausalLM"),
        Family::Gemma3 => ("gemma3_text", "Gemma3ForCausalLM"),
        Family::Gemma4 => ("gemma4_text", "Gemma4ForCausalLM"),
        Family::Llama => ("llama", "LlamaForCausalLM"),
    };
    let activation = match config.hidden_activation {
        Activation::GeluTanh => "gelu_pytorch_tanh",
        Activation::Silu => "silu",
    };
    let activation_key = match family {
        Family::Gemma | Family::Llama => "hidden_act",
        _ => "hidden_activation",
    };
    let mut json = Map::new();
    for (key, value) in [
        ("architectures", json!([class])),
        ("model_type", json!(model_type)),
        ("dtype", json!("float32")),
        ("vocab_size", json!(config.vocab_size)),
        ("hidden_size", json!(config.hidden_size)),
        ("intermediate_size", json!(config.intermediate_size)),
        ("num_hidden_layers", json!(config.num_hidden_layers)),
        ("num_attention_heads", json!(config.num_attention_heads)),
        ("num_key_value_heads", json!(config.num_key_value_heads)),
        ("head_dim", json!(config.head_dim)),
        (activation_key, json!(activation)),
        (
            "max_position_embeddings",
            json!(context.max_position_embeddings),
        ),
        ("rms_norm_eps", json!(config.rms_norm_eps)),
        ("tie_word_embeddings", json!(config.tie_word_embeddings)),
        ("bos_token_id", json!(context.bos)),
        // Ours have none, and the families' defaults would be tokens of ours.
        ("eos_token_id", Value::Null),
        ("pad_token_id", Value::Null),
        ("attention_bias", json!(false)),
    ] {
        json.insert(key.to_owned(), value);
    }
    if family == Family::Gemma {
        // Readers of 2024 take this key, and the family's default where it is missing.
        json.insert("hidden_activation".to_owned(), json!(activation));
    }
    if !matches!(family, Family::Gemma | Family::Llama) {
        let cap = json!(config.final_logit_softcapping);
        json.insert("final_logit_softcapping".to_owned(), cap);
    }
    json
}

fn gemma4(
    config: &DecoderConfig,
    types: &[&str],
    json: &mut Map<String, Value>,
) -> Result<(), InterchangeError> {
    if types.last() != Some(&FULL) {
        return refusal(
            "transformers makes the last layer of a Gemma 4 global, and here it is not",
        );
    }
    let mut overrides = Map::new();
    for (layer, kind) in types.iter().enumerate() {
        let shape = config.layer(layer).1;
        let differs = shape.head_dim.is_some() || shape.num_key_value_heads.is_some();
        if *kind == SLIDING && (differs || shape.keys_are_values) {
            return refusal(
                "only the global layers of Gemma 4 have sizes of their own, or keys that are values",
            );
        }
        if *kind == FULL {
            let sizes = json!({
                "head_dim": config.head_dim_of(shape),
                "num_key_value_heads": config.kv_heads_of(shape),
            });
            overrides.insert(layer.to_string(), sizes);
        }
    }
    let shares = config.layers.values().any(|kind| kind.keys_are_values);
    for (key, value) in [
        ("per_layer_config", Value::Object(overrides)),
        ("attention_k_eq_v", json!(shares)),
        ("num_kv_shared_layers", json!(config.num_kv_shared_layers)),
        ("use_double_wide_mlp", json!(config.use_double_wide_mlp)),
        (
            "hidden_size_per_layer_input",
            json!(config.hidden_size_per_layer_input),
        ),
        ("vocab_size_per_layer_input", json!(config.vocab_size)),
        ("enable_moe_block", json!(false)),
    ] {
        json.insert(key.to_owned(), value);
    }
    Ok(())
}

/// Each layer as `sliding_attention` or `full_attention`: there are two kinds at most.
fn layer_types(config: &DecoderConfig) -> Result<Vec<&'static str>, InterchangeError> {
    let mut seen: [Option<&LayerKind>; 2] = [None, None];
    (0..config.num_hidden_layers)
        .map(|layer| {
            let (name, kind) = config.layer(layer);
            let slides = kind.sliding_window.is_some();
            if *seen[usize::from(slides)].get_or_insert(kind) != kind {
                return refusal(format!(
                    "layers `{name}` and others differ, though both are {}; Hugging Face knows one kind of each",
                    if slides { "local" } else { "global" }
                ));
            }
            Ok(if slides { SLIDING } else { FULL })
        })
        .collect()
}

/// Every how many layers there is a global one, the others being local. `None`: they are arranged otherwise.
fn period(types: &[&str]) -> Option<usize> {
    let every = types.iter().position(|kind| *kind == FULL)? + 1;
    let mut layers = types.iter().enumerate();
    let is_periodic =
        layers.all(|(layer, kind)| (*kind == FULL) == (layer + 1).is_multiple_of(every));
    is_periodic.then_some(every)
}
