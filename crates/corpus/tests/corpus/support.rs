//! What several test modules need.

use std::fs;
use std::path::{Path, PathBuf};

use corpus::{Corpus, DataConfig, Progress, prepare};
use tempfile::TempDir;

/// The repository's `datasets` folder.
pub fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets")
}

/// The path of a committed tokenizer.
pub fn committed_tokenizer(name: &str) -> String {
    datasets()
        .join("tokenizers")
        .join(name)
        .display()
        .to_string()
}

/// A new folder with these files.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, contents) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, contents).expect("a file");
    }
    folder
}

/// Reads `path` with bytes as tokens and all documents for training.
pub fn config(path: &Path, cache: &Path) -> DataConfig {
    DataConfig {
        paths: vec![path.to_path_buf()],
        tokenizer: "bytes".to_owned(),
        valid_fraction: 0.0,
        test_fraction: 0.0,
        cache: cache.to_path_buf(),
        ..DataConfig::default()
    }
}

pub fn silent(_: Progress) {}

/// A corpus of training documents of these texts, one token a byte; the folder keeps it alive.
pub fn corpus_of(texts: &[&str]) -> (Corpus, TempDir) {
    let lines: Vec<String> = texts
        .iter()
        .map(|text| serde_json::json!({ "text": text }).to_string())
        .collect();
    let folder = folder(&[("texts.jsonl", lines.join("\n").as_bytes())]);
    let config = config(
        &folder.path().join("texts.jsonl"),
        &folder.path().join("cache"),
    );
    let corpus = prepare(&config, &silent).expect("prepares");
    (corpus, folder)
}
