//! What is looked at.

use std::ops::RangeInclusive;
use std::sync::Arc;

use positional::{AttentionShape, EncodingConfig, PositionalEncoding, Spectrum};

use crate::TheoryError;

/// Contexts that can be asked about, in tokens: two tokens make a distance, and the work is linear.
pub const CONTEXTS: RangeInclusive<usize> = 2..=1_048_576;

/// Sizes beyond any model, whose tables would not fit in memory.
const MOST_HEAD_DIM: usize = 16_384;
const MOST_HEADS: usize = 16_384;

/// An encoding, the attention that it serves, and the context.
#[derive(Clone, Debug)]
pub struct Subject {
    encoding: Arc<dyn PositionalEncoding>,
    config: Option<EncodingConfig>,
    shape: AttentionShape,
    context: usize,
}

impl Subject {
    /// The encoding that `config` writes down.
    ///
    /// # Errors
    /// An encoding that cannot be built for this shape; a context outside [`CONTEXTS`]; a shape of nothing.
    pub fn new(
        config: &EncodingConfig,
        shape: AttentionShape,
        context: usize,
    ) -> Result<Self, TheoryError> {
        check_sizes(shape, context)?;
        let config = config.resolved()?;
        Ok(Self {
            encoding: config.build(shape)?,
            config: Some(config),
            shape,
            context,
        })
    }

    /// An encoding that is no family of `positional`. Its base is not known, so no other base can be tried.
    ///
    /// # Errors
    /// A context outside [`CONTEXTS`]; a shape of nothing.
    pub fn of_encoding(
        encoding: Arc<dyn PositionalEncoding>,
        shape: AttentionShape,
        context: usize,
    ) -> Result<Self, TheoryError> {
        check_sizes(shape, context)?;
        Ok(Self {
            encoding,
            config: None,
            shape,
            context,
        })
    }

    /// The encoding.
    pub fn encoding(&self) -> &dyn PositionalEncoding {
        self.encoding.as_ref()
    }

    /// How a config writes it, every default filled in.
    pub fn config(&self) -> Option<&EncodingConfig> {
        self.config.as_ref()
    }

    /// Sizes of the attention.
    pub fn shape(&self) -> AttentionShape {
        self.shape
    }

    /// Coordinates of a query or key.
    pub fn head_dim(&self) -> usize {
        self.shape.head_dim
    }

    /// Tokens: distances go from 0 to one less.
    pub fn context(&self) -> usize {
        self.context
    }

    /// The position of the last query, which sees every distance.
    pub fn last(&self) -> usize {
        self.context - 1
    }

    /// The frequencies, if any pair rotates.
    pub fn rotation(&self) -> Option<&Spectrum> {
        let spectrum = self.encoding.spectrum();
        spectrum.filter(|spectrum| spectrum.num_rotated() > 0)
    }

    /// Heads that may differ: all but the first are the same unless there is a bias. First, middle, last.
    pub fn heads(&self) -> Vec<usize> {
        if !self.encoding.has_bias() {
            return vec![0];
        }
        let last = self.shape.num_heads - 1;
        let mut heads = vec![0, last / 2, last];
        heads.dedup();
        heads
    }
}

fn check_sizes(shape: AttentionShape, context: usize) -> Result<(), TheoryError> {
    for (name, size, most) in [
        ("head_dim", shape.head_dim, MOST_HEAD_DIM),
        ("num_heads", shape.num_heads, MOST_HEADS),
    ] {
        if size == 0 || size > most {
            return Err(TheoryError::Size { name, size, most });
        }
    }
    if CONTEXTS.contains(&context) {
        Ok(())
    } else {
        Err(TheoryError::Context { tokens: context })
    }
}
