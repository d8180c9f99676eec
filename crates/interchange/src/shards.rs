//! The weights of a Hugging Face folder: `model.safetensors`, or shards and their index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::error::InterchangeError;
use crate::json::{self, MAX_INDEX};
use crate::safetensors_file::{Entry, SafetensorsFile};
use crate::tensor_source::TensorSource;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// More shards than any published model has.
const MAX_SHARDS: usize = 1024;

/// The mapped safetensors files of a folder.
#[derive(Debug)]
pub struct SafetensorsFolder {
    folder: PathBuf,
    files: Vec<SafetensorsFile>,
    /// Index into `files` of each tensor's file.
    file_of: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl SafetensorsFolder {
    /// Maps `model.safetensors` in `folder`, or the shards that `model.safetensors.index.json` names.
    ///
    /// Links are followed, because the cache of `huggingface_hub` is made of them; the index may only name
    /// files of the folder itself.
    ///
    /// # Errors
    /// If there is neither, a shard is missing, its name leads out of the folder, a tensor is not in the
    /// shard that should have it or is in two, or a file is damaged.
    pub fn open(folder: &Path) -> Result<Self, InterchangeError> {
        let index = folder.join(INDEX);
        if folder.join(SINGLE).exists() {
            let file = SafetensorsFile::open(&folder.join(SINGLE))?;
            let file_of = file.tensors.keys().map(|name| (name.clone(), 0)).collect();
            return Ok(Self {
                folder: folder.to_owned(),
                files: vec![file],
                file_of,
            });
        }
        if !index.exists() {
            let reason = format!("holds neither {SINGLE} nor {INDEX}");
            return Err(InterchangeError::file(folder, reason));
        }
        Self::open_shards(folder, &index)
    }

    fn open_shards(folder: &Path, index: &Path) -> Result<Self, InterchangeError> {
        let wrong = |reason: String| InterchangeError::file(index, reason);
        let Index { weight_map } = json::read(index, MAX_INDEX)?;
        let names: BTreeSet<&String> = weight_map.values().collect();
        if names.len() > MAX_SHARDS {
            return Err(wrong(format!("names {} shards", names.len())));
        }
        if let Some(name) = names.iter().find(|name| !is_plain_name(name)) {
            return Err(wrong(format!(
                "`{name}` is not the name of a .safetensors file beside the index"
            )));
        }
        let missing: Vec<&str> = names
            .iter()
            .filter(|name| !folder.join(name).is_file())
            .map(|name| name.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(wrong(format!(
                "these shards are missing: {}",
                missing.join(", ")
            )));
        }
        let files = names
            .iter()
            .map(|name| SafetensorsFile::open(&folder.join(name)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut file_of = BTreeMap::new();
        for (number, (file, shard)) in files.iter().zip(&names).enumerate() {
            for tensor in file.tensors.keys() {
                if weight_map.get(tensor) != Some(shard) {
                    return Err(wrong(format!(
                        "tensor `{tensor}` is in {shard}, where the index does not have it"
                    )));
                }
                file_of.insert(tensor.clone(), number);
            }
        }
        match weight_map
            .iter()
            .find(|(name, _)| !file_of.contains_key(*name))
        {
            Some((name, shard)) => Err(wrong(format!("tensor `{name}` is not in {shard}"))),
            None => Ok(Self {
                folder: folder.to_owned(),
                files,
                file_of,
            }),
        }
    }

    fn find(&self, name: &str) -> Option<(&SafetensorsFile, &Entry)> {
        let file = &self.files[*self.file_of.get(name)?];
        Some((file, file.tensors.get(name)?))
    }

    fn found(&self, name: &str) -> Result<(&SafetensorsFile, &Entry), InterchangeError> {
        self.find(name)
            .ok_or_else(|| self.error(name, "there is no such tensor"))
    }
}

impl TensorSource for SafetensorsFolder {
    fn names(&self) -> Vec<String> {
        self.file_of.keys().cloned().collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.find(name).map(|(_, entry)| entry.shape.clone())
    }

    fn location(&self, name: &str) -> String {
        let path = self.find(name).map_or(&self.folder, |(file, _)| &file.path);
        path.display().to_string()
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, InterchangeError> {
        let (file, entry) = self.found(name)?;
        file.read(entry).map_err(|reason| self.error(name, &reason))
    }

    fn read_transposed(&self, name: &str) -> Result<Vec<f32>, InterchangeError> {
        let (file, entry) = self.found(name)?;
        file.read_transposed(entry)
            .map_err(|reason| self.error(name, &reason))
    }
}

/// Whether `name` is one component, no way out of the folder, that ends in `.safetensors`.
fn is_plain_name(name: &str) -> bool {
    let path = Path::new(name);
    let mut components = path.components();
    let single = matches!(components.next(), Some(Component::Normal(_)));
    single
        && components.next().is_none()
        && !name.contains(['/', '\\', '\0'])
        && path.extension().is_some_and(|end| end == "safetensors")
}
