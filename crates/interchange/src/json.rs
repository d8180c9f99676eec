//! JSON files of strangers: small ones only.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::InterchangeError;

/// Largest `config.json` or `tokenizer_config.json` that is read: those of today have a few kilobytes.
pub(crate) const MAX_CONFIG: u64 = 4 << 20;
/// Largest shard index: that of a model with 100,000 tensors has about 10 MB.
pub(crate) const MAX_INDEX: u64 = 32 << 20;

/// The mark that some editors put before UTF-8. It is no part of the JSON, and no JSON parser takes it.
const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// Reads the JSON file at `path` if it has at most `limit` bytes. (`serde_json` bounds the depth itself.)
pub(crate) fn read<T: DeserializeOwned>(path: &Path, limit: u64) -> Result<T, InterchangeError> {
    let bytes = read_bytes(path, limit)?;
    let json = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    serde_json::from_slice(json)
        .map_err(|error| InterchangeError::file(path, format!("not the expected JSON: {error}")))
}

/// The bytes of a regular file of at most `limit` bytes, however large it says it is.
fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, InterchangeError> {
    require_regular(path)?;
    let file = File::open(path).map_err(InterchangeError::io(path))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(InterchangeError::io(path))?;
    if bytes.len() as u64 > limit {
        let reason = format!("larger than {} MiB, which no such file is", limit >> 20);
        return Err(InterchangeError::file(path, reason));
    }
    Ok(bytes)
}

/// That `path` is a file with an end: opening a pipe would wait for ever.
pub(crate) fn require_regular(path: &Path) -> Result<(), InterchangeError> {
    let metadata = fs::metadata(path).map_err(InterchangeError::io(path))?;
    if metadata.is_file() {
        return Ok(());
    }
    Err(InterchangeError::file(path, "not a regular file"))
}
