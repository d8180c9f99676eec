//! A Hugging Face folder: `config.json`, weights, tokenizer.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use decoder::Decoder;
use serde::Deserialize;
use serde_json::Value;

use crate::architecture::Architecture;
use crate::config::HuggingFaceConfig;
use crate::error::InterchangeError;
use crate::import::import;
use crate::json::{self, MAX_CONFIG};
use crate::shards::SafetensorsFolder;

/// Largest `tokenizer.json` that is read: Gemma's, one of the largest, has 33 MB.
const MAX_TOKENIZER: u64 = 256 << 20;

/// A folder as `save_pretrained` writes it, or as the hub has it.
#[derive(Clone, Debug)]
pub struct HuggingFaceFolder {
    path: PathBuf,
    config: HuggingFaceConfig,
    architecture: Architecture,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenizerConfig {
    /// A string, or an object whose `content` is one.
    bos_token: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenizerFile {
    added_tokens: Vec<AddedToken>,
    model: TokenizerModel,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenizerModel {
    /// Ids by token, or a list of tokens with their scores.
    vocab: Value,
}

impl TokenizerFile {
    fn token(self, id: u64) -> Option<String> {
        let mut added = self.added_tokens.into_iter();
        if let Some(token) = added.find(|token| token.id == id) {
            return Some(token.content);
        }
        match self.model.vocab {
            Value::Object(ids) => {
                let mut ids = ids.into_iter();
                ids.find(|(_, of)| of.as_u64() == Some(id))
                    .map(|(token, _)| token)
            }
            Value::Array(tokens) => {
                let entry = tokens.get(usize::try_from(id).ok()?)?;
                entry.get(0)?.as_str().map(str::to_owned)
            }
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct AddedToken {
    id: u64,
    content: String,
}

impl HuggingFaceFolder {
    /// Reads the `config.json` of the folder at `path`.
    ///
    /// # Errors
    /// If there is none, or it describes no model that we compute.
    pub fn open(path: &Path) -> Result<Self, InterchangeError> {
        let config = HuggingFaceConfig::read(path)?;
        let architecture = Architecture::new(&config)?;
        Ok(Self {
            path: path.to_owned(),
            config,
            architecture,
        })
    }

    /// What the model computes.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The model with its weights on `device`.
    ///
    /// # Errors
    /// See [`SafetensorsFolder::open`] and [`import()`].
    pub fn load(&self, device: &Device) -> Result<Decoder, InterchangeError> {
        let weights = SafetensorsFolder::open(&self.path)?;
        import(&self.architecture, &weights, device)
    }

    /// The path of `tokenizer.json`.
    ///
    /// # Errors
    /// If there is none: older folders have a `tokenizer.model` only.
    pub fn tokenizer(&self) -> Result<PathBuf, InterchangeError> {
        let path = self.path.join("tokenizer.json");
        if path.is_file() {
            return Ok(path);
        }
        let reason = "there is none; `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` of \
                      transformers writes it";
        Err(InterchangeError::file(&path, reason))
    }

    /// The token that the model's own files call the beginning of a sequence: `bos_token` of
    /// `tokenizer_config.json`, else the special token with `bos_token_id` of `config.json`.
    /// `None`: they name none.
    ///
    /// # Errors
    /// If a file that is there cannot be read, or `bos_token_id` is no token of the tokenizer.
    pub fn bos_token(&self) -> Result<Option<String>, InterchangeError> {
        let path = self.path.join("tokenizer_config.json");
        if path.is_file() {
            let TokenizerConfig { bos_token } = json::read(&path, MAX_CONFIG)?;
            let token = match &bos_token {
                Some(Value::String(token)) => Some(token.as_str()),
                Some(object) => object.get("content").and_then(Value::as_str),
                None => None,
            };
            if let Some(token) = token {
                return Ok(Some(token.to_owned()));
            }
        }
        let vocab_size = self.architecture.decoder.vocab_size;
        let Some(id) = self.config.bos_id(vocab_size)? else {
            return Ok(None);
        };
        let path = self.tokenizer()?;
        let file: TokenizerFile = json::read(&path, MAX_TOKENIZER)?;
        file.token(id).map(Some).ok_or_else(|| {
            let reason = format!("has no token of id {id}, the bos_token_id of config.json");
            InterchangeError::file(&path, reason)
        })
    }
}
