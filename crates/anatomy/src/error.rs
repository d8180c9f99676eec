//! What can be wrong with what a user asks for.

use decoder::InterventionError;
use thiserror::Error;

/// Why there is no anatomy.
#[derive(Debug, Error)]
pub enum AnatomyError {
    /// A text without enough tokens.
    #[error("the text `{text}` has {tokens} tokens; at least {least} are needed")]
    TooShort {
        /// Name of the text.
        text: String,
        /// Its tokens.
        tokens: usize,
        /// The fewest that do.
        least: usize,
    },
    /// No text at all.
    #[error("there is no text to look at")]
    NoText,
    /// A layer or head that is not there.
    #[error(transparent)]
    Intervention(#[from] InterventionError),
    /// Too few ordinary tokens to draw from.
    #[error(
        "the vocabulary has {found} ordinary tokens; at least {least} are needed for random sequences"
    )]
    SmallVocabulary {
        /// Ordinary tokens.
        found: usize,
        /// The fewest that do.
        least: usize,
    },
}
