//! Reads GGUF files, the format of llama.cpp: metadata, tensors, and the tokenizer inside.
//!
//! ```text
//! GgufFile::open(path) -- memory-mapped, header checked
//!   .integer("llama.block_count") .string(..) ...   typed metadata
//!   .tensor("blk.0.attn_q.weight")                  name, shape, type, stored bytes
//!   .read_f32("blk.0.attn_q.weight")                one tensor, dequantized
//!   .tokenizer_json()                               the vocabulary as a Hugging Face tokenizer.json
//! ```
//!
//! Versions 2 and 3, little-endian. Nothing in the file is trusted: every length is compared with the
//! bytes that are there before anything is read or allocated, so a damaged file costs an error and
//! never more memory than a small multiple of its size.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod cursor;
mod dequantize;
mod error;
mod file;
mod ggml_type;
mod header;
mod tokenizer;
mod tokenizer_keys;
mod value;

pub use error::{GgufError, shortened};
pub use file::{GgufFile, Tensor};
pub use ggml_type::GgmlType;
pub use value::{Array, Value};
