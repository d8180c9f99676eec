//! Plain text files.

use std::fs;
use std::path::Path;

use crate::byte_order_mark;
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
    let unmarked = byte_order_mark::without(&text);
    Ok(if unmarked.len() == text.len() {
        text
    } else {
        unmarked.to_owned()
    })
}
