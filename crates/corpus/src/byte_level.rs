//! The byte-to-character alphabet of byte-level BPE, and bytes as a `tokenizer.json`.

use serde_json::{Value, json};

/// Number of byte values, and so the id of the beginning-of-sequence token after them.
pub(crate) const BYTES: u32 = 256;
/// The beginning-of-sequence token of the byte tokenizer.
pub(crate) const BOS: &str = "<bos>";

/// The printable character that stands for a byte in byte-level vocabularies (GPT-2, `encoder.py`):
/// printable Latin-1 stands for itself, the other bytes for U+0100 and up, in order.
fn character(byte: u8) -> char {
    let is_printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if is_printable(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|b| !is_printable(*b)).count() as u32;
    // At most U+0100 + 67, far below the surrogates.
    char::from_u32(BYTES + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte tokenizer as a Hugging Face `tokenizer.json`: a byte-level BPE without merges. It gives
/// the same ids, so that exported models can be read by other tools.
pub(crate) fn tokenizer_json() -> String {
    let vocabulary: serde_json::Map<String, Value> = (0..=u8::MAX)
        .map(|byte| (character(byte).to_string(), json!(byte)))
        .collect();
    let byte_level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false
    });
    let file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [{
            "id": BYTES, "content": BOS, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        }],
        "normalizer": null,
        "pre_tokenizer": byte_level,
        "post_processor": null,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": false, "vocab": vocabulary, "merges": []
        }
    });
    file.to_string()
}
