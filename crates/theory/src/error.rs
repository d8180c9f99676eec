//! What can be wrong with a question.

use positional::EncodingError;

use crate::CONTEXTS;

/// Why there is nothing to compute.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TheoryError {
    /// The encoding cannot be built.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// A context without two tokens, or one that would take hours.
    #[error("the context is {tokens} tokens; it must be from {} to {}", CONTEXTS.start(), CONTEXTS.end())]
    Context {
        /// The tokens asked for.
        tokens: usize,
    },
    /// A size of the attention that is zero or beyond any model.
    #[error("`{name}` is {size}; it must be from 1 to {most}")]
    Size {
        /// `head_dim` or `num_heads`.
        name: &'static str,
        /// The size given.
        size: usize,
        /// The largest allowed.
        most: usize,
    },
}
