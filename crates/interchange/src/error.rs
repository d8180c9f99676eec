//! Why a model cannot be taken in or given out, in words for its user.

use std::path::{Path, PathBuf};

use decoder::DecoderError;
use thiserror::Error;

/// What is wrong, where, and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InterchangeError {
    /// The file system refused.
    #[error("{path}: {error}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key of `config.json` has a value that cannot be, or that we do not compute.
    #[error("config.json, {key}: {reason}")]
    Config {
        /// The key.
        key: String,
        /// What is wrong and what is known.
        reason: String,
    },
    /// A tensor cannot be the parameter it should be.
    #[error("{location}, tensor `{name}`: {reason}")]
    Tensor {
        /// File.
        location: String,
        /// Name in the file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Hugging Face has no way to say what a model of ours does.
    #[error("no Hugging Face architecture computes this model: {0}")]
    NotExpressible(String),
    /// A GGUF file is damaged, or lacks what was looked for.
    #[error(transparent)]
    Gguf(#[from] ::gguf::GgufError),
    /// The decoder cannot be built.
    #[error("config.json describes an impossible decoder: {0}")]
    Decoder(#[from] DecoderError),
}

impl InterchangeError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }

    pub(crate) fn file(path: &Path, reason: impl ToString) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn config(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config {
            key: key.into(),
            reason: reason.into(),
        }
    }
}
