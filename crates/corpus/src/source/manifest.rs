//! Folders with a manifest.

use std::fs;
use std::path::Path;

use crate::document::Document;
use crate::error::CorpusError;
use crate::hash::sha256_hex;
use crate::manifest::Manifest;

use super::text;

/// The documents of `folder/manifest.json`, each checked against its digest.
pub(super) fn read(folder: &Path) -> Result<Vec<Document>, CorpusError> {
    let manifest = Manifest::read(folder)?;
    let mut documents = Vec::with_capacity(manifest.documents.len());
    for entry in &manifest.documents {
        let path = folder.join(&entry.file);
        let bytes = fs::read(&path).map_err(CorpusError::io("read", &path))?;
        let found = sha256_hex(&bytes);
        if found != entry.sha256 {
            return Err(CorpusError::Checksum {
                path,
                expected: entry.sha256.clone(),
                found,
            });
        }
        documents.push(Document {
            name: format!("{}/{}", manifest.name, entry.file),
            text: text::from_bytes(&path, bytes)?,
            split: entry.split,
        });
    }
    Ok(documents)
}
