//! A generated corpus with a manifest, so that each document's split is chosen.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::sha256;

/// Which use a document is for.
#[derive(Clone, Copy, Debug)]
pub enum Split {
    Train,
    Valid,
    Test,
}

impl Split {
    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

/// Writes documents of the given lengths in bytes, and their manifest.
pub fn write(folder: &Path, documents: &[(Split, usize)]) {
    fs::create_dir_all(folder).expect("corpus folder");
    let entries: Vec<serde_json::Value> = documents
        .iter()
        .enumerate()
        .map(|(index, (split, length))| {
            let file = format!("{index:02}.txt");
            let text = text(index, *length);
            fs::write(folder.join(&file), &text).expect("document");
            json!({
                "file": file, "title": file, "author": "nobody", "layout": "unwrapped",
                "bytes": text.len(), "sha256": sha256(text.as_bytes()), "split": split.name(),
            })
        })
        .collect();
    let manifest = json!({
        "name": "generated", "description": "Generated sentences.", "licence": "none",
        "attribution": "none", "cleaning": "none", "split_rule": "by the test",
        "documents": entries,
    });
    fs::write(folder.join("manifest.json"), manifest.to_string()).expect("manifest");
}

/// `length` bytes of sentences that repeat themselves, different for every `index`.
fn text(index: usize, length: usize) -> String {
    const WORDS: [&str; 8] = [
        "the ", "red ", "fox ", "sees ", "a ", "small ", "hen ", "and ",
    ];
    let mut text = String::new();
    let mut state = index + 1;
    while text.len() < length {
        state = (state * 75 + 74) % 65_537;
        text.push_str(WORDS[state % WORDS.len()]);
    }
    text.truncate(length);
    text
}
