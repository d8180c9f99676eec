//! The `tokenizer.json` of an export: the run's own, but for what training does otherwise.

use std::path::Path;

use serde_json::{Value, json};

use crate::error::InterchangeError;
use crate::json_span::span;

/// What would cut, fill or randomise an encoding. Training switches it off, so the model must be read without it.
const SWITCHED_OFF: [&[&str]; 3] = [&["truncation"], &["padding"], &["model", "dropout"]];
const POST_PROCESSOR: &str = "post_processor";

/// A tokenizer as it is given out.
pub(crate) struct ExportedTokenizer {
    /// The text of its `tokenizer.json`.
    pub json: String,
    /// The token that begins every sequence.
    pub bos: String,
}

impl ExportedTokenizer {
    /// The tokenizer with the text `json`, in which only values are replaced: `null` where a text would be cut, filled
    /// or randomised, and a last step that puts the token `bos` first where no step puts special tokens.
    ///
    /// # Errors
    /// If `json` is no JSON, or has no token of id `bos`.
    pub fn new(json: &str, bos: u32) -> Result<Self, InterchangeError> {
        let path = Path::new("tokenizer.json");
        // No parser of JSON takes a byte-order mark.
        let mut json = json.strip_prefix('\u{FEFF}').unwrap_or(json).to_owned();
        let file: Value = serde_json::from_str(&json)
            .map_err(|error| InterchangeError::file(path, error.to_string()))?;
        let Some(token) = token_of(&file, bos) else {
            let reason = format!("has no token of id {bos}");
            return Err(InterchangeError::file(path, reason));
        };
        for member in SWITCHED_OFF {
            if let Some(value) = span(&json, member) {
                json.replace_range(value, "null");
            }
        }
        if let Some(processor) = with_bos(&file[POST_PROCESSOR], &token, bos) {
            set_post_processor(&mut json, &processor);
        }
        Ok(Self { json, bos: token })
    }
}

/// The step `processor`, then one that puts `token` first. `None`: it puts special tokens itself, as its makers wanted.
fn with_bos(processor: &Value, token: &str, bos: u32) -> Option<Value> {
    let template = json!({
        "type": "TemplateProcessing",
        "single": [{ "SpecialToken": { "id": token, "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
        "pair": [
            { "SpecialToken": { "id": token, "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } },
            { "SpecialToken": { "id": token, "type_id": 1 } }, { "Sequence": { "id": "B", "type_id": 1 } },
        ],
        "special_tokens": { token: { "id": token, "ids": [bos], "tokens": [token] } },
    });
    // Of the steps that there are, this one alone puts no token anywhere.
    let adds_nothing = |step: &Value| step["type"] == "ByteLevel";
    let mut steps = match processor["type"].as_str() {
        None => return Some(template),
        Some("Sequence") => processor["processors"].as_array().cloned()?,
        Some(_) => vec![processor.clone()],
    };
    if !steps.iter().all(adds_nothing) {
        return None;
    }
    steps.push(template);
    Some(json!({ "type": "Sequence", "processors": steps }))
}

fn set_post_processor(json: &mut String, processor: &Value) {
    if let Some(value) = span(json, &[POST_PROCESSOR]) {
        json.replace_range(value, &processor.to_string());
    } else if let Some(brace) = json.find('{') {
        let member = format!("\"{POST_PROCESSOR}\": {processor}, ");
        json.insert_str(brace + 1, &member);
    }
}

fn token_of(file: &Value, id: u32) -> Option<String> {
    let has_id = |value: &Value| value.as_u64() == Some(u64::from(id));
    let added = file["added_tokens"].as_array().into_iter().flatten();
    let added = added.filter(|token| has_id(&token["id"]));
    let mut names = added.filter_map(|token| token["content"].as_str());
    let in_vocabulary = || {
        let mut entries = file.pointer("/model/vocab")?.as_object()?.iter();
        entries
            .find(|(_, value)| has_id(value))
            .map(|(token, _)| token.clone())
    };
    names.next().map(str::to_owned).or_else(in_vocabulary)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the library writes it, but for the values that tests put in: numbers that a reader and writer of JSON
    /// would change, a name twice, spaces and escapes.
    fn file(truncation: &str, padding: &str, dropout: &str, processor: &str) -> String {
        format!(
            "{{\n \"version\":\"1.0\", \"truncation\" : {truncation},\n\t\"padding\":{padding},\"z\":[1e0, {{\"padding\":\"}}\\\"\"}}],\
             \"added_tokens\":[{{\"id\":2,\"content\":\"<s>\"}}], \"post_processor\":{processor},\
             \"model\":{{\"type\":\"BPE\",\"dropout\":{dropout},\"vocab\":{{\"\\u0062\":1,\"a\":0.0}}, \"merges\":[]}} }} \n"
        )
    }

    const TEMPLATE: &str = "{\"type\":\"TemplateProcessing\",\"single\":[]}";

    fn exported(json: &str) -> String {
        ExportedTokenizer::new(json, 2).expect("sound").json
    }

    #[test]
    fn a_tokenizer_without_anything_to_switch_off_stays_byte_for_byte() {
        let plain = file("null", "null", "null", TEMPLATE);
        assert_eq!(exported(&plain), plain);
    }

    #[test]
    fn what_training_switches_off_is_null_and_nothing_else_changes() {
        let plain = file("null", "null", "null", TEMPLATE);
        let cut = "{ \"max_length\": 16, \"strategy\": \"LongestFirst\" }";
        let filled = "{\"strategy\":{\"Fixed\":32},\"pad_token\":\"}\"}";
        for (truncation, padding, dropout) in [
            (cut, "null", "null"),
            ("null", filled, "null"),
            ("null", "null", "0.5"),
            (cut, filled, "1e-1"),
        ] {
            let changed = file(truncation, padding, dropout, TEMPLATE);
            assert_eq!(exported(&changed), plain);
        }
    }

    #[test]
    fn a_step_for_bos_replaces_only_the_post_processor() {
        let byte_level = "{\"type\":\"ByteLevel\"}";
        let sequence = format!("{{\"type\":\"Sequence\",\"processors\":[{byte_level}]}}");
        for processor in ["null", byte_level, &sequence] {
            let text = exported(&file("null", "null", "null", processor));
            let value: Value = serde_json::from_str(&text).expect("JSON");
            let written = value["post_processor"].to_string();
            assert!(written.contains("\"ids\":[2]"), "{written}");
            assert_eq!(text, file("null", "null", "null", &written));
        }
    }

    #[test]
    fn a_sequence_that_puts_special_tokens_stays() {
        let sequence = format!(
            "{{\"type\":\"Sequence\",\"processors\":[{{\"type\":\"ByteLevel\"}}, {TEMPLATE}]}}"
        );
        let plain = file("null", "null", "null", &sequence);
        assert_eq!(exported(&plain), plain);
    }

    #[test]
    fn a_missing_post_processor_is_put_in() {
        let text = exported("{\"added_tokens\":[{\"id\":2,\"content\":\"<s>\"}]}");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["post_processor"]["type"], "TemplateProcessing");
        assert_eq!(value["added_tokens"][0]["content"], "<s>");
    }

    #[test]
    fn a_byte_order_mark_is_left_out() {
        let plain = file("null", "null", "null", TEMPLATE);
        assert_eq!(exported(&format!("\u{FEFF}{plain}")), plain);
    }
}
