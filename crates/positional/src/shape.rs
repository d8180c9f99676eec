//! The shape of the attention an encoding serves.

use crate::EncodingError;

/// What an encoding must know of the attention it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Coordinates of one head's query or key. Rotary encodings need it even.
    pub head_dim: usize,
    /// Query heads. Key and value heads may be fewer; encodings do not care.
    pub num_heads: usize,
    /// Width of the residual stream: the length of an absolute encoding's vector.
    pub hidden_size: usize,
}

impl AttentionShape {
    /// Coordinate pairs to rotate in one head, `head_dim / 2`.
    ///
    /// # Errors
    /// [`EncodingError::OddSize`] when `head_dim` is zero or odd.
    pub fn pairs(&self) -> Result<usize, EncodingError> {
        half("head_dim", self.head_dim)
    }

    /// Sine and cosine pairs of an absolute encoding, `hidden_size / 2`.
    ///
    /// # Errors
    /// [`EncodingError::OddSize`] when `hidden_size` is zero or odd.
    pub fn hidden_pairs(&self) -> Result<usize, EncodingError> {
        half("hidden_size", self.hidden_size)
    }
}

fn half(name: &'static str, size: usize) -> Result<usize, EncodingError> {
    if size == 0 || !size.is_multiple_of(2) {
        return Err(EncodingError::OddSize { name, size });
    }
    Ok(size / 2)
}
