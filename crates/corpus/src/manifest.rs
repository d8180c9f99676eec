//! `manifest.json`: what a dataset folder holds, where it comes from and under which licence.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::byte_order_mark;
use crate::document::Split;
use crate::error::CorpusError;
use crate::reflow::Layout;

/// The file name of a manifest inside its dataset folder.
pub const MANIFEST_FILE: &str = "manifest.json";

/// A dataset folder's contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the dataset; the first part of its documents' names.
    pub name: String,
    /// One sentence on what it is.
    pub description: String,
    /// Under which terms the texts may be used.
    pub licence: String,
    /// Who is to be credited, and where the texts come from.
    pub attribution: String,
    /// What was changed between the source and these files.
    pub cleaning: String,
    /// The rule that assigned the documents to the splits.
    pub split_rule: String,
    /// The documents, in reading order.
    pub documents: Vec<ManifestDocument>,
}

/// One document of a [`Manifest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestDocument {
    /// File name relative to the manifest.
    pub file: String,
    /// Title of the work.
    pub title: String,
    /// Its author.
    pub author: String,
    /// Where the text can be seen at its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How the raw text was laid out, which is how [`crate::reflow()`] was told to treat it.
    pub layout: Layout,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Its split.
    pub split: Split,
}

impl Manifest {
    /// Reads and checks `folder/manifest.json`; the documents themselves are not opened.
    ///
    /// # Errors
    /// [`CorpusError::Io`] when it cannot be read, [`CorpusError::Manifest`] when it is not valid,
    /// lists no documents, lists a file twice, or lists a file outside its folder.
    pub fn read(folder: &Path) -> Result<Self, CorpusError> {
        let path = folder.join(MANIFEST_FILE);
        let text = fs::read_to_string(&path).map_err(CorpusError::io("read", &path))?;
        let wrong = |message: String| CorpusError::Manifest {
            path: path.clone(),
            message,
        };
        let manifest: Self = serde_json::from_str(byte_order_mark::without(&text))
            .map_err(|e| wrong(e.to_string()))?;
        manifest.check().map_err(wrong)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if self.documents.is_empty() {
            return Err("lists no documents".to_owned());
        }
        let mut seen = BTreeSet::new();
        for document in &self.documents {
            let file = &document.file;
            if !seen.insert(file) {
                return Err(format!("lists `{file}` twice"));
            }
            let inside = Path::new(file)
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            if file.is_empty() || !inside {
                return Err(format!("`{file}` is not a path inside the folder"));
            }
        }
        Ok(())
    }
}
