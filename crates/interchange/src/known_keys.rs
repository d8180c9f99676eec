//! Keys of a `config.json` beside those that are read: which ones would change the numbers, and which mean nothing here.

use gguf::shortened;
use serde_json::{Map, Value};

use crate::error::InterchangeError;

/// The value with which a key changes nothing.
#[derive(Clone, Copy)]
enum Neutral {
    /// Nothing that is on: `null`, `false`, 0, an empty list.
    Off,
    /// A factor of 1, or `null`.
    One,
    /// `true`, or `null`.
    True,
    /// A list of 1, one a layer, or nothing.
    Ones,
    /// One of the words for rotary encoding, or `null`.
    Rotary,
}

impl Neutral {
    fn includes(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) => true,
            (Self::One, value) => value.as_f64() == Some(1.0),
            (Self::True, value) => value == &Value::Bool(true),
            (Self::Ones, Value::Array(layers)) => layers
                .iter()
                .all(|layer| layer.as_f64() == Some(1.0) || layer == &Value::Bool(true)),
            (Self::Rotary, value) => matches!(value.as_str(), Some("rope" | "rotary")),
            (Self::Off | Self::Ones, value) => is_off(value),
        }
    }
}

fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) => false,
    }
}

/// Keys that change what a model computes, in some family or program, and that nothing here computes.
const CHANGES_NUMBERS: &[(&str, Neutral)] = &[
    // Biases, norms, attention.
    ("add_bias_linear", Neutral::Off),
    ("add_qkv_bias", Neutral::Off),
    ("attention_out_bias", Neutral::Off),
    ("attention_qkv_bias", Neutral::Off),
    ("bias", Neutral::Off),
    ("lm_head_bias", Neutral::Off),
    ("qkv_bias", Neutral::Off),
    ("use_bias", Neutral::Off),
    ("use_qkv_bias", Neutral::Off),
    ("qk_layernorm", Neutral::Off),
    ("qk_norm", Neutral::Off),
    ("use_qk_norm", Neutral::Off),
    ("clip_qkv", Neutral::Off),
    ("attention_chunk_size", Neutral::Off),
    ("attention_sinks", Neutral::Off),
    ("use_attention_sinks", Neutral::Off),
    ("attn_temperature_tuning", Neutral::Off),
    ("use_logn_attn", Neutral::Off),
    ("is_causal", Neutral::True),
    ("causal", Neutral::True),
    ("add_cross_attention", Neutral::Off),
    ("is_encoder_decoder", Neutral::Off),
    // Factors.
    ("attention_multiplier", Neutral::Off),
    ("attention_scale", Neutral::Off),
    ("attn_scale", Neutral::Off),
    ("softmax_scale", Neutral::Off),
    ("attention_softcap", Neutral::Off),
    ("logit_softcap", Neutral::Off),
    ("softcap", Neutral::Off),
    ("embed_scale", Neutral::One),
    ("embedding_multiplier", Neutral::One),
    ("embedding_scale", Neutral::One),
    ("key_multiplier", Neutral::One),
    ("lm_head_multiplier", Neutral::One),
    ("logit_scale", Neutral::One),
    ("logits_scaling", Neutral::One),
    ("residual_multiplier", Neutral::One),
    ("residual_scale", Neutral::One),
    ("scale_emb", Neutral::One),
    ("width_multiplier", Neutral::One),
    ("dim_model_base", Neutral::Off),
    ("scale_depth", Neutral::Off),
    ("mup_enabled", Neutral::Off),
    ("use_mup", Neutral::Off),
    // Positions.
    ("alibi", Neutral::Off),
    ("use_alibi", Neutral::Off),
    ("position_embedding_type", Neutral::Rotary),
    ("no_rope_layers", Neutral::Ones),
    ("no_rope_layer_interval", Neutral::Off),
    ("nope_layer_interval", Neutral::Off),
    ("global_rope_theta", Neutral::Off),
    ("local_rope_theta", Neutral::Off),
    ("rotary_emb_base", Neutral::Off),
    ("rope_is_neox_style", Neutral::True),
    ("rope_interleave", Neutral::Off),
    ("rope_interleaved", Neutral::Off),
    ("rope_pct", Neutral::One),
    ("rope_percent", Neutral::One),
    ("rope_ratio", Neutral::One),
    ("rotary_pct", Neutral::One),
    ("rotary_percent", Neutral::One),
    ("rotary_dim", Neutral::Off),
    ("use_dynamic_ntk", Neutral::Off),
    ("use_mrope", Neutral::Off),
    // Other layers, other weights.
    ("parallel_attn", Neutral::Off),
    ("parallel_residual", Neutral::Off),
    ("use_parallel_residual", Neutral::Off),
    ("n_routed_experts", Neutral::Off),
    ("num_experts", Neutral::Off),
    ("num_local_experts", Neutral::Off),
    ("compression_config", Neutral::Off),
    ("quantization", Neutral::Off),
];

/// Keys that change no logit here: bookkeeping, training, generation, and what goes with a key that is refused when on.
/// `pretraining_tp` cuts products into sums of parts, `use_sliding_window` stands beside the window itself.
const HARMLESS: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_from_model_config",
    "_name_or_path",
    "_unsloth_version",
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_implementation",
    "attn_pdrop",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "boi_token_index",
    "cache_implementation",
    "chunk_size_feed_forward",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "embd_pdrop",
    "embedding_dropout",
    "encoder_no_repeat_ngram_size",
    "eoi_token_index",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "floor_scale",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "image_token_id",
    "image_token_index",
    "initializer_range",
    "is_decoder",
    "label2id",
    "length_penalty",
    "max_length",
    "max_sequence_length",
    "max_window_layers",
    "min_length",
    "mm_tokens_per_image",
    "model_max_length",
    "moe_intermediate_size",
    "name_or_path",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_experts_per_tok",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "output_scores",
    "pad_token",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "pruned_heads",
    "remove_invalid_values",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "return_dict_in_generate",
    "router_aux_loss_coef",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tokenizer_class",
    "top_k",
    "top_k_experts",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "unsloth_fixed",
    "use_cache",
    "use_sliding_window",
];

/// Looks through the keys of a config that nothing read.
///
/// # Errors
/// If one of them changes the numbers and is on.
pub(crate) fn refuse(keys: &Map<String, Value>) -> Result<(), InterchangeError> {
    for (key, neutral) in CHANGES_NUMBERS {
        if let Some(value) = keys.get(*key).filter(|value| !neutral.includes(value)) {
            let reason = format!("{} changes the numbers and is not supported", shown(value));
            return Err(InterchangeError::config(*key, reason));
        }
    }
    Ok(())
}

/// Those of `keys` that are on and of which nothing is known.
pub(crate) fn unknown(keys: &Map<String, Value>) -> Vec<String> {
    let changes_numbers = |key: &str| CHANGES_NUMBERS.iter().any(|(known, _)| *known == key);
    let unknown = keys.iter().filter(|(key, value)| {
        !is_off(value) && !HARMLESS.contains(&key.as_str()) && !changes_numbers(key)
    });
    unknown.map(|(key, _)| shortened(key)).collect()
}

/// A value out of a file that may be hostile, fit for a message.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("`{}`", shortened(text)),
        value => format!("`{}`", shortened(&value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(key: &str, value: Value) -> Option<String> {
        let keys = Map::from_iter([(key.to_owned(), value)]);
        refuse(&keys).err().map(|error| error.to_string())
    }

    #[test]
    fn every_key_that_changes_numbers_is_refused_by_name_unless_neutral() {
        for (key, neutral) in CHANGES_NUMBERS {
            let (off, on) = match neutral {
                Neutral::Off => (json!(false), json!(0.5)),
                Neutral::One => (json!(1), json!(0.5)),
                Neutral::True => (json!(true), json!(false)),
                Neutral::Ones => (json!([1, 1, true]), json!([1, 1, 0])),
                Neutral::Rotary => (json!("rope"), json!("alibi")),
            };
            let message = refusal(key, on).expect(key);
            assert!(
                message.starts_with(&format!("config.json, {key}: ")),
                "{message}"
            );
            assert_eq!(refusal(key, off), None);
            assert_eq!(refusal(key, Value::Null), None);
        }
    }

    #[test]
    fn keys_of_no_meaning_are_neither_refused_nor_named() {
        let keys: Map<String, Value> = HARMLESS
            .iter()
            .map(|key| ((*key).to_owned(), json!(2)))
            .collect();
        refuse(&keys).expect("harmless");
        assert_eq!(unknown(&keys), Vec::<String>::new());
    }

    #[test]
    fn unknown_keys_are_named_where_they_are_on() {
        let keys = json!({ "frobnicate": 3, "frob": false, "use_cache": true, "use_bias": false });
        let Value::Object(keys) = keys else {
            unreachable!("an object")
        };
        assert_eq!(unknown(&keys), ["frobnicate"]);
    }

    #[test]
    fn the_lists_do_not_overlap() {
        for (key, _) in CHANGES_NUMBERS {
            assert!(!HARMLESS.contains(key), "{key}");
        }
    }
}
