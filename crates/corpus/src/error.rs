//! Everything that can go wrong between a path in a config and a batch.

use std::path::{Path, PathBuf};

/// An error of this crate: what is wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// What was tried, a verb: "read", "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A value of the `[data]` table makes no sense.
    #[error("`data.{field}`: {message}")]
    Config {
        /// The key.
        field: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
    /// No way to tell how a path is to be read.
    #[error("`{path}`: {message}; set `data.format` to manifest, text, jsonl or parquet")]
    UnknownFormat {
        /// The path of the config.
        path: PathBuf,
        /// Why the format is not clear.
        message: String,
    },
    /// A path holds no documents.
    #[error("`{path}` holds no {wanted}; check `data.path` and `data.format`")]
    NoDocuments {
        /// The path of the config.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// A manifest cannot be understood.
    #[error("manifest `{path}`: {message}")]
    Manifest {
        /// The manifest file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file is not the one its manifest describes.
    #[error(
        "`{path}` has sha256 {found}, its manifest says {expected}; \
         restore the file, or make the manifest anew if the change is meant"
    )]
    Checksum {
        /// The document's file.
        path: PathBuf,
        /// The manifest's digest.
        expected: String,
        /// The file's digest.
        found: String,
    },
    /// A text file is not UTF-8.
    #[error("`{path}` is not UTF-8: bad byte at offset {offset}; convert it first")]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Where the first bad byte is.
        offset: usize,
    },
    /// A record of a `.jsonl` file is bad.
    #[error("`{path}` line {line}: {message}")]
    Jsonl {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A `.parquet` file cannot be read.
    #[error("`{path}`: {message}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A tokenizer cannot be opened or used.
    #[error("tokenizer `{tokenizer}`: {message}")]
    Tokenizer {
        /// `bytes`, or the path of the `tokenizer.json`.
        tokenizer: String,
        /// What went wrong.
        message: String,
    },
    /// A tokenizer has no token to begin a sequence with.
    #[error(
        "tokenizer `{tokenizer}` has no beginning-of-sequence token: none of {tried} is in its \
         vocabulary; name one with `data.bos_token`"
    )]
    NoBos {
        /// The path of the `tokenizer.json`.
        tokenizer: String,
        /// The names looked for.
        tried: String,
    },
    /// A token file is damaged or of another version.
    #[error("token file `{path}`: {message}; delete it, it will be made anew")]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A split without any document.
    #[error("the {split} split has no documents; add some, or change the split fractions")]
    EmptySplit {
        /// The split's name.
        split: String,
    },
    /// No document is long enough for one window.
    #[error(
        "no document of the {split} split has {length} tokens: the longest, `{document}`, has \
         {longest}; use a shorter length or longer documents"
    )]
    TooShort {
        /// The split's name.
        split: String,
        /// The window length asked for, in tokens.
        length: usize,
        /// Name of the longest document.
        document: String,
        /// Its length in tokens.
        longest: usize,
    },
    /// A number that must be positive is zero.
    #[error("{what} must be at least 1")]
    Zero {
        /// What is zero.
        what: &'static str,
    },
}

impl CorpusError {
    /// Wraps what the operating system said with what was tried on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
