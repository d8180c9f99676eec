//! Text, tokenizers, token files, windows and batches.
//!
//! The way of the data, one module a step:
//!
//! ```text
//! files --source--> Document --Tokenizer--> TokenFile --Windows--> Batch   (training)
//!                                                    --evaluation_windows  (evaluation)
//! ```
//!
//! [`prepare`] does everything up to the token files, from a [`DataConfig`]. Two promises hold
//! throughout: a document is never split between train, valid and test, nor joined to another one;
//! and the order of the training data is a pure function of the seed and the global sample index.

mod batch;
mod byte_level;
mod byte_order_mark;
mod config;
mod document;
mod error;
mod evaluation;
mod hash;
mod manifest;
mod permutation;
mod prepare;
mod reflow;
mod source;
mod special_names;
mod token_file;
mod tokenizer;
mod windows;

pub use batch::Batch;
pub use config::{DataConfig, Format, Splits};
pub use document::{Document, Split};
pub use error::CorpusError;
pub use evaluation::{EvaluationWindow, evaluation_windows};
pub use hash::{sha256_hex, split_mix_64};
pub use manifest::{MANIFEST_FILE, Manifest, ManifestDocument};
pub use permutation::Permutation;
pub use prepare::{Corpus, EvaluationText, Progress, prepare, prepare_evaluation};
pub use reflow::{Layout, reflow};
pub use source::{Documents, read_documents};
pub use token_file::{DocumentSpan, TokenFile};
pub use tokenizer::Tokenizer;
pub use windows::{Window, Windows};
