//! Metadata keys of a GGUF file's architecture: which ones are read, and which change nothing. Any other one may change
//! the numbers, so a file with it is refused.

use ::gguf::{GgufFile, Value};

use crate::error::InterchangeError;

/// Keys that are read, below `llama.`.
const READ: &[&str] = &[
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.type",
];

/// The values with which a key that is not read changes nothing.
enum Harmless {
    /// Every one.
    Any,
    /// `false`, or a number that is 0.
    Off,
    /// 1, or 0 for a value that is not there.
    One,
    /// `true`.
    True,
    /// A text.
    Text(&'static str),
}

const NOT_READ: &[(&str, Harmless)] = &[
    // The embedding says it.
    ("vocab_size", Harmless::Any),
    // Of scalings that are refused by their type.
    ("rope.scaling.original_context_length", Harmless::Any),
    ("rope.scaling.finetuned", Harmless::Any),
    // What a mixture has beside the number of its experts, which must be 0.
    ("expert_count", Harmless::Off),
    ("expert_used_count", Harmless::Any),
    ("expert_feed_forward_length", Harmless::Any),
    // How embeddings of whole texts are made.
    ("pooling_type", Harmless::Any),
    // Of another kind of norm, which this architecture does not have.
    ("attention.layer_norm_epsilon", Harmless::Any),
    // The order of rows in which all files of this architecture are.
    ("tensor_data_layout", Harmless::Text("Meta AI original pth")),
    ("attention.causal", Harmless::True),
    ("attention.clamp_kqv", Harmless::Off),
    ("attention.max_alibi_bias", Harmless::Off),
    ("attention.scale", Harmless::Off),
    ("attention.sliding_window", Harmless::Off),
    ("attn_logit_softcapping", Harmless::Off),
    ("final_logit_softcapping", Harmless::Off),
    ("leading_dense_block_count", Harmless::Off),
    ("rope.scaling.yarn_log_multiplier", Harmless::Off),
    ("swin_norm", Harmless::Off),
    ("use_parallel_residual", Harmless::Off),
    ("embedding_scale", Harmless::One),
    ("logit_scale", Harmless::One),
    ("residual_scale", Harmless::One),
    ("rope.scaling.attn_factor", Harmless::One),
];

impl Harmless {
    fn includes(&self, value: &Value) -> bool {
        let number = value
            .as_f64()
            .or_else(|| value.as_u64().map(|number| number as f64));
        let is = |expected: f64| number.is_some_and(|number| (number - expected).abs() < 1e-9);
        match self {
            Self::Any => true,
            Self::Off => is(0.0) || *value == Value::Bool(false),
            Self::One => is(0.0) || is(1.0),
            Self::True => *value == Value::Bool(true),
            Self::Text(text) => *value == Value::String(text),
        }
    }
}

/// That the file has no key of its architecture that would change the numbers.
///
/// # Errors
/// The first key that might, by its name.
pub(crate) fn refuse_unknown(file: &GgufFile) -> Result<(), InterchangeError> {
    for key in file.keys() {
        let Some(name) = key.strip_prefix("llama.") else {
            continue;
        };
        let wrong = |reason: &str| {
            let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
            Err(InterchangeError::file(
                file.path(),
                format!("llama.{shown} {reason}"),
            ))
        };
        let harmless = NOT_READ.iter().find(|(known, _)| *known == name);
        match (harmless, file.value(key)) {
            (Some((_, harmless)), Some(value)) if !harmless.includes(&value) => {
                return wrong("has a value that changes the numbers, which is not supported");
            }
            (None, _) if !READ.contains(&name) => {
                return wrong("is not known, and may change the numbers");
            }
            _ => {}
        }
    }
    Ok(())
}
