//! A pretrained model at a path, whatever its format.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use decoder::Decoder;

use crate::architecture::Architecture;
use crate::error::InterchangeError;
use crate::folder::HuggingFaceFolder;
use crate::gguf::GgufModel;

/// A model that others trained.
pub enum PretrainedModel {
    /// A folder in Hugging Face's format.
    HuggingFace(Box<HuggingFaceFolder>),
    /// A GGUF file, and its path.
    Gguf(Box<GgufModel>, PathBuf),
}

impl PretrainedModel {
    /// The model at `path`: a file is GGUF, a folder Hugging Face's.
    ///
    /// # Errors
    /// See [`GgufModel::open`] and [`HuggingFaceFolder::open`].
    pub fn open(path: &Path) -> Result<Self, InterchangeError> {
        if path.is_file()
            || path
                .extension()
                .is_some_and(|extension| extension == "gguf")
        {
            return Ok(Self::Gguf(GgufModel::open(path)?.into(), path.to_owned()));
        }
        Ok(Self::HuggingFace(HuggingFaceFolder::open(path)?.into()))
    }

    /// What it computes.
    pub fn architecture(&self) -> &Architecture {
        match self {
            Self::HuggingFace(folder) => folder.architecture(),
            Self::Gguf(model, _) => model.architecture(),
        }
    }

    /// The model with its weights on `device`.
    ///
    /// # Errors
    /// See [`crate::import`].
    pub fn load(&self, device: &Device) -> Result<Decoder, InterchangeError> {
        match self {
            Self::HuggingFace(folder) => folder.load(device),
            Self::Gguf(model, _) => model.load(device),
        }
    }

    /// The path of its `tokenizer.json`. One beside a GGUF file comes before the tokenizer inside; that one is
    /// written to the folder `cache`.
    ///
    /// # Errors
    /// If there is none that can be read, or `cache` cannot be written to.
    pub fn tokenizer(&self, cache: &Path) -> Result<PathBuf, InterchangeError> {
        let (model, path) = match self {
            Self::HuggingFace(folder) => return folder.tokenizer(),
            Self::Gguf(model, path) => (model, path),
        };
        let beside = path.with_file_name("tokenizer.json");
        if beside.is_file() {
            return Ok(beside);
        }
        let json = model.tokenizer_json()?;
        let mut hasher = DefaultHasher::new();
        json.hash(&mut hasher);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let written = cache.join(format!("{stem}-{:016x}.tokenizer.json", hasher.finish()));
        fs::create_dir_all(cache).map_err(InterchangeError::io(cache))?;
        whole_file::write(&written, |file| file.write_all(json.as_bytes()))
            .map_err(InterchangeError::io(&written))?;
        Ok(written)
    }

    /// The token that its own files call the beginning of a sequence. `None`: they name none.
    ///
    /// # Errors
    /// If a file that is there cannot be read.
    pub fn bos_token(&self) -> Result<Option<String>, InterchangeError> {
        match self {
            Self::HuggingFace(folder) => folder.bos_token(),
            Self::Gguf(model, _) => model.bos_token(),
        }
    }
}
