//! The `[data]` table of a config.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::CorpusError;

/// How the files under [`DataConfig::paths`] are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// By what is there: `manifest.json` in the folder, else the file name extensions.
    #[default]
    Auto,
    /// A folder with a `manifest.json`, as in `datasets/`.
    Manifest,
    /// One document per UTF-8 `.txt` file, folders searched recursively.
    Text,
    /// One document per line of a `.jsonl` file, a JSON object with a string field.
    Jsonl,
    /// One document per row of a `.parquet` file with a string column.
    Parquet,
}

/// Where the splits of documents come from that no manifest assigns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Splits {
    /// From the names of files and folders where they say train, validation or test, as in data sets of
    /// the Hugging Face hub; the splits that no name says are dealt out by the fractions.
    #[default]
    Names,
    /// From the fractions alone, whatever files are called.
    Fractions,
}

/// `[data]` of a config. All relative paths are relative to the working directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Files and folders to read, in this order.
    pub paths: Vec<PathBuf>,
    /// How they are read.
    pub format: Format,
    /// The field or column that holds the text, for `jsonl` and `parquet`.
    pub field: String,
    /// `bytes`, or the path of a Hugging Face `tokenizer.json`.
    pub tokenizer: String,
    /// The beginning-of-sequence token, where the usual names are not in the vocabulary.
    pub bos_token: Option<String>,
    /// Where splits come from, for sources without a manifest.
    pub splits: Splits,
    /// Share of documents for validation, in [0, 1), where neither a manifest nor a file's name says it.
    pub valid_fraction: f64,
    /// Share of documents for test, in [0, 1), where neither a manifest nor a file's name says it.
    pub test_fraction: f64,
    /// Folder of the token files; made when missing.
    pub cache: PathBuf,
}

impl Default for DataConfig {
    /// The books of this repository with the 8k tokenizer.
    fn default() -> Self {
        Self {
            paths: vec![PathBuf::from("datasets/books")],
            format: Format::Auto,
            field: "text".to_owned(),
            tokenizer: "datasets/tokenizers/bpe8k.json".to_owned(),
            bos_token: None,
            splits: Splits::Names,
            valid_fraction: 0.05,
            test_fraction: 0.05,
            cache: PathBuf::from("datasets/.cache"),
        }
    }
}

impl DataConfig {
    /// Checks what can be checked without touching the file system.
    ///
    /// # Errors
    /// [`CorpusError::Config`] for no paths, an empty name, or fractions that leave nothing to train on.
    pub fn validate(&self) -> Result<(), CorpusError> {
        let wrong = |field, message: &str| {
            Err(CorpusError::Config {
                field,
                message: message.to_owned(),
            })
        };
        if self.paths.is_empty() {
            return wrong("path", "name at least one file or folder");
        }
        if self.field.is_empty() {
            return wrong("field", "must not be empty (the usual name is \"text\")");
        }
        if self.tokenizer.is_empty() {
            return wrong("tokenizer", "\"bytes\" or the path of a tokenizer.json");
        }
        let is_fraction = |x: f64| (0.0..1.0).contains(&x);
        if !is_fraction(self.valid_fraction) {
            return wrong("valid_fraction", "must be at least 0 and less than 1");
        }
        if !is_fraction(self.test_fraction) {
            return wrong("test_fraction", "must be at least 0 and less than 1");
        }
        if self.valid_fraction + self.test_fraction >= 1.0 {
            return wrong(
                "valid_fraction",
                "valid_fraction + test_fraction must be less than 1, or nothing is left to train on",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(config: &DataConfig) -> String {
        config.validate().expect_err("must be rejected").to_string()
    }

    #[test]
    fn default_is_valid_and_fields_are_optional() {
        assert!(DataConfig::default().validate().is_ok());
        let config: DataConfig = serde_json::from_str(r#"{"paths": ["a"]}"#).expect("parses");
        assert_eq!(config.paths, [PathBuf::from("a")]);
        assert_eq!(config.field, "text");
    }

    #[test]
    fn unknown_keys_are_rejected() {
        let error = serde_json::from_str::<DataConfig>(r#"{"tokeniser": "x"}"#)
            .expect_err("must be rejected");
        assert!(error.to_string().contains("tokeniser"), "{error}");
    }

    #[test]
    fn nonsense_names_its_field() {
        let good = DataConfig::default();
        let no_paths = DataConfig {
            paths: vec![],
            ..good.clone()
        };
        assert!(rejected(&no_paths).contains("`data.path`"));
        let nan = DataConfig {
            test_fraction: f64::NAN,
            ..good.clone()
        };
        assert!(rejected(&nan).contains("`data.test_fraction`"));
        let all = DataConfig {
            valid_fraction: 0.5,
            test_fraction: 0.5,
            ..good
        };
        assert!(rejected(&all).contains("nothing is left to train on"));
    }
}
