//! Evaluation windows: a fixed, unshuffled choice of places in a split.

use crate::error::CorpusError;
use crate::token_file::TokenFile;
use crate::windows::check_length;

/// Where an evaluation window begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EvaluationWindow {
    /// Index of the document in [`TokenFile::documents`].
    pub document: usize,
    /// Index of its first token, counted from the begin of the token file.
    pub start: usize,
}

/// Windows of `length` tokens that do not overlap and lie inside one document each, in document
/// order: all ⌊n / length⌋ of a document of n tokens, counted from its first token, or
/// `per_document` of them evenly spaced (the middles of as many equal parts).
///
/// Shorter documents are skipped; [`TokenFile::documents_shorter_than`] counts them. Nothing is
/// random: every model is measured at the same places.
///
/// # Errors
/// [`CorpusError::Zero`] for no length or no windows per document, [`CorpusError::EmptySplit`] for
/// no documents, [`CorpusError::TooShort`] when every document is shorter than `length`.
pub fn evaluation_windows(
    file: &TokenFile,
    length: usize,
    per_document: Option<usize>,
) -> Result<Vec<EvaluationWindow>, CorpusError> {
    check_length(file, length)?;
    if per_document == Some(0) {
        return Err(CorpusError::Zero {
            what: "the number of windows per document",
        });
    }
    let mut windows = Vec::new();
    for (document, span) in file.documents().iter().enumerate() {
        let available = span.num_tokens() / length;
        let taken = per_document.map_or(available, |most| most.min(available));
        for i in 0..taken {
            let window = (2 * i + 1) * available / (2 * taken);
            let start = span.start + window * length;
            windows.push(EvaluationWindow { document, start });
        }
    }
    Ok(windows)
}
