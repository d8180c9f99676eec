//! Training windows: which tokens the model sees, in which order.

use std::sync::Arc;

use burn_dataset::{Dataset, DatasetError};

use crate::batch::Batch;
use crate::error::CorpusError;
use crate::hash::mix;
use crate::permutation::Permutation;
use crate::token_file::TokenFile;

/// Keeps the offsets' random numbers apart from the permutation's.
const OFFSET_STREAM: u64 = 0x6F66_6673_6574; // "offset"

/// `length` successive tokens of one document, as a model is trained on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// `[BOS, w0, .., w(T-2)]`: what the model reads.
    pub inputs: Vec<u32>,
    /// `[w0, .., w(T-1)]`: what it is to predict.
    pub targets: Vec<u32>,
    /// Index of the document in [`TokenFile::documents`].
    pub document: usize,
    /// Index of `w0`, counted from the begin of the token file.
    pub start: usize,
}

/// Training windows of `length` tokens over the documents of a token file.
///
/// A document of n tokens gives ⌊n / length⌋ windows per epoch, side by side from a random offset
/// within the remainder; no window crosses a document's end. Sample `g` (= step · batch size +
/// slot) belongs to epoch ⌊g / N⌋, N the windows of an epoch, and its place within the epoch is
/// mapped to a window by [`Permutation`]. All of it is a pure function of (token file, length,
/// seed, g): there is no state to save, and any worker can compute any sample.
#[derive(Clone, Debug)]
pub struct Windows {
    file: Arc<TokenFile>,
    length: usize,
    bos: u32,
    seed: u64,
    /// Windows before each document, and of all documents at the end: document d has the windows
    /// `first[d]..first[d + 1]`.
    first: Vec<usize>,
}

impl Windows {
    /// Windows of `length` tokens over `file`; `bos` is put before the first token of each input.
    ///
    /// # Errors
    /// [`CorpusError::Zero`] for no length, [`CorpusError::EmptySplit`] for no documents,
    /// [`CorpusError::TooShort`] when every document is shorter than `length`.
    pub fn new(
        file: Arc<TokenFile>,
        length: usize,
        bos: u32,
        seed: u64,
    ) -> Result<Self, CorpusError> {
        check_length(&file, length)?;
        let mut first = vec![0];
        let mut total = 0;
        for document in file.documents() {
            total += document.num_tokens() / length;
            first.push(total);
        }
        Ok(Self {
            file,
            length,
            bos,
            seed,
            first,
        })
    }

    /// Tokens per window.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Windows in one pass over the documents.
    pub fn windows_per_epoch(&self) -> usize {
        self.first.last().copied().unwrap_or(0)
    }

    /// How many documents are too short for a window, and so never seen.
    pub fn skipped_documents(&self) -> usize {
        self.file.documents_shorter_than(self.length)
    }

    /// The window of global sample index `global_index` (= step · batch size + slot).
    pub fn sample(&self, global_index: u64) -> Window {
        let per_epoch = self.windows_per_epoch() as u64;
        let (epoch, within) = (global_index / per_epoch, global_index % per_epoch);
        let shuffled = Permutation::new(per_epoch, self.seed, epoch).apply(within) as usize;
        let document = self.first.partition_point(|first| *first <= shuffled) - 1;
        let start = self.offset(document, epoch) + (shuffled - self.first[document]) * self.length;
        self.window(document, start)
    }

    /// The samples `first_sample..first_sample + batch_size` as one batch. Ranks that take
    /// consecutive parts of a global batch together see exactly that batch.
    pub fn batch(&self, first_sample: u64, batch_size: usize) -> Batch {
        let samples = (0..batch_size as u64).map(|slot| self.sample(first_sample + slot));
        Batch::new(samples, batch_size, self.length)
    }

    /// Where the windows of `document` begin in this epoch, so that over the epochs every token is
    /// seen and window borders move.
    fn offset(&self, document: usize, epoch: u64) -> usize {
        let span = &self.file.documents()[document];
        let choices = (span.num_tokens() % self.length) as u64 + 1;
        let random = mix(&[OFFSET_STREAM, self.seed, epoch, document as u64]);
        span.start + (random % choices) as usize
    }

    fn window(&self, document: usize, start: usize) -> Window {
        let targets = self.file.tokens(start..start + self.length);
        let before_last = &targets[..self.length - 1];
        let inputs = [&[self.bos], before_last].concat();
        Window {
            inputs,
            targets,
            document,
            start,
        }
    }
}

/// The first epoch. [`Windows::sample`] goes on beyond it, where `get` panics.
impl Dataset<Window> for Windows {
    fn get(&self, index: usize) -> Result<Window, DatasetError> {
        let len = self.windows_per_epoch();
        assert!(index < len, "window {index} of {len}");
        Ok(self.sample(index as u64))
    }

    fn len(&self) -> usize {
        self.windows_per_epoch()
    }
}

/// That at least one document has `length` tokens.
pub(crate) fn check_length(file: &TokenFile, length: usize) -> Result<(), CorpusError> {
    if length == 0 {
        return Err(CorpusError::Zero {
            what: "the length of windows",
        });
    }
    let split = file.split().to_string();
    let documents = file.documents().iter();
    let Some(longest) = documents.max_by_key(|d| d.num_tokens()) else {
        return Err(CorpusError::EmptySplit { split });
    };
    if longest.num_tokens() < length {
        return Err(CorpusError::TooShort {
            split,
            length,
            document: longest.name.clone(),
            longest: longest.num_tokens(),
        });
    }
    Ok(())
}
