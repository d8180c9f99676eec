//! Plain text files.

use std::fs;
use std::path::Path;

use crate::error::CorpusError;

/// The file's text, without a byte order mark.
pub(super) fn read(file: &Path) -> Result<String, CorpusError> {
    let bytes = fs::read(file).map_err(CorpusError::io("read", file))?;
    from_bytes(file, bytes)
}

/// `bytes`, read from `file`, as text.
pub(super) fn from_bytes(file: &Path, bytes: Vec<u8>) -> Result<String, CorpusError> {
    let text = String::from_utf8(bytes).map_err(|e| CorpusError::NotUtf8 {
        path: file.to_path_buf(),
        offset: e.utf8_error().valid_up_to(),
    })?;
    Ok(match text.strip_prefix('\u{FEFF}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}
