//! What can be wrong with a GGUF file.

use std::path::{Path, PathBuf};

/// An unreadable, damaged or unsupported GGUF file, or a question it has no answer to.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The operating system said no.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried: `open`, `map`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Its answer.
        source: std::io::Error,
    },
    /// The header cannot be read.
    #[error("{}, byte {offset}: {problem}", .path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        offset: usize,
        /// What is wrong there.
        problem: String,
    },
    /// A metadata key is missing, or its value is not what was asked for.
    #[error("{}: metadata `{key}` {problem}", .path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor is missing, or its description is wrong.
    #[error("{}: tensor `{name}` {problem}", .path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name, shortened.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The tokenizer inside cannot be rebuilt.
    #[error("{}: tokenizer: {problem}", .path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl GgufError {
    pub(crate) fn metadata(path: &Path, key: &str, problem: impl Into<String>) -> Self {
        Self::Metadata {
            path: path.to_owned(),
            key: shortened(key),
            problem: problem.into(),
        }
    }

    pub(crate) fn tensor(path: &Path, name: &str, problem: impl Into<String>) -> Self {
        Self::Tensor {
            path: path.to_owned(),
            name: shortened(name),
            problem: problem.into(),
        }
    }

    pub(crate) fn tokenizer(path: &Path, problem: impl Into<String>) -> Self {
        Self::Tokenizer {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// A name out of a file that may be hostile, fit to print: no control characters, at most 64 characters.
pub fn shortened(name: &str) -> String {
    let mut printed: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    if name.chars().nth(64).is_some() {
        printed.push('…');
    }
    printed
}
