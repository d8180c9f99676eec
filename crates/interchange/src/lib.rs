//! Models of other programs in, models of ours out: Hugging Face folders.
//!
//! Reading order: [`HuggingFaceConfig`] is a `config.json`, [`Architecture`] what it means as a decoder,
//! [`TensorSource`] where weights come from (a folder of safetensors, or anything else that has tensors
//! under Hugging Face's names), [`import()`] puts the two together. [`HuggingFaceFolder`] does all of it
//! for a folder, [`GgufModel`] for a GGUF file, [`PretrainedModel`] for whichever a path is; [`export()`] is
//! the reverse. `docs/interchange.md` has the families and the limits.
//!
//! Files come from strangers: every size is checked before memory is asked for, and whatever is wrong is
//! an [`InterchangeError`] with the file and the tensor or key.

mod architecture;
mod config;
mod element;
mod error;
mod export;
mod export_config;
mod export_rope;
mod exported_tokenizer;
mod folder;
mod gguf;
mod gguf_keys;
mod import;
mod json;
mod json_span;
mod known_keys;
mod names;
mod pretrained;
mod rope;
mod rotation;
mod safetensors_file;
mod shards;
mod tensor_source;

pub use architecture::{Architecture, Family};
pub use config::{HuggingFaceConfig, LayerOverrides, Softcap};
pub use element::{bf16_to_f32, f16_to_f32};
pub use error::InterchangeError;
pub use export::{Export, export};
pub use folder::HuggingFaceFolder;
pub use gguf::GgufModel;
pub use import::import;
pub use pretrained::PretrainedModel;
pub use rope::RopeParameters;
pub use shards::SafetensorsFolder;
pub use tensor_source::TensorSource;
