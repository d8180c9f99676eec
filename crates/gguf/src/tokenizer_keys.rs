//! Metadata keys of the tokenizer: which ones are read, and which change no token. Any other one may change what tokens
//! a text becomes, so its tokenizer is refused.

use crate::error::shortened;
use crate::tokenizer::ADVICE;
use crate::{GgufError, GgufFile, Value};

const PREFIX: &str = "tokenizer.ggml.";

/// Keys that are read, and keys of tokens that a text does not become by itself: generation has use for them.
const KNOWN: &[&str] = &[
    "add_bos_token",
    "add_eos_token",
    "merges",
    "model",
    "pre",
    "suppress_tokens",
    "token_type",
    "tokens",
    // Of other kinds of tokenizers: scores of pieces, types of segments.
    "scores",
    "token_type_count",
    // The old spelling of added tokens, which are in the list of tokens too.
    "added_tokens",
    "eos_token_ids",
    "eog_token_ids",
];
const TOKEN_ID: &str = "_token_id";

/// Steps that byte-level BPE does not have here. They are nothing where they are off or empty.
const OFF: &[&str] = &[
    "add_sep_token",
    "add_space_prefix",
    "normalizer.lowercase",
    "normalizer.strip_accents",
    "precompiled_charsmap",
    "remove_extra_whitespaces",
    "treat_whitespace_as_suffix",
];

/// That the file has no key that would change what tokens a text becomes, beside those that are read.
///
/// # Errors
/// The first key that might, by its name.
pub(crate) fn refuse_unknown(file: &GgufFile) -> Result<(), GgufError> {
    for key in file.keys() {
        let Some(name) = key.strip_prefix(PREFIX) else {
            continue;
        };
        if KNOWN.contains(&name) || name.ends_with(TOKEN_ID) {
            continue;
        }
        let is_off = match file.value(key) {
            None | Some(Value::Bool(false)) => true,
            Some(Value::Array(array)) => array.is_empty(),
            Some(_) => false,
        };
        if OFF.contains(&name) && is_off {
            continue;
        }
        let problem = format!(
            "`{}` changes how text becomes tokens, which is not supported; {ADVICE}",
            shortened(key)
        );
        return Err(GgufError::tokenizer(file.path(), problem));
    }
    Ok(())
}
