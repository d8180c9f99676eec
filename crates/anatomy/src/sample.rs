//! A text as windows of tokens.

use crate::AnatomyError;

/// The fewest tokens of a text that are looked at: fewer have no sixteen positions back to speak of.
pub const LEAST_TOKENS: usize = 32;

/// Windows of one length from one text. Each is the token `<bos>` and `length` tokens of the text: a decoder
/// reads all but the last and is to predict all but the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Name of the text.
    pub name: String,
    /// Tokens of each window, `length + 1` of them.
    pub windows: Vec<Vec<u32>>,
}

impl Sample {
    /// Up to `most` windows of `length` tokens, side by side from the text's first token on; one window of all
    /// of the text where it is shorter.
    ///
    /// # Errors
    /// [`AnatomyError::TooShort`] below [`LEAST_TOKENS`].
    pub fn new(
        name: impl Into<String>,
        tokens: &[u32],
        bos: u32,
        length: usize,
        most: usize,
    ) -> Result<Self, AnatomyError> {
        let name = name.into();
        let length = length.min(tokens.len());
        if length < LEAST_TOKENS || most == 0 {
            return Err(AnatomyError::TooShort {
                text: name,
                tokens: tokens.len(),
                least: LEAST_TOKENS,
            });
        }
        let windows = tokens.chunks_exact(length).take(most);
        let windows = windows.map(|window| std::iter::once(bos).chain(window.iter().copied()));
        Ok(Self {
            name,
            windows: windows.map(Iterator::collect).collect(),
        })
    }

    /// Tokens that a decoder reads of a window.
    pub fn length(&self) -> usize {
        self.windows.first().map_or(0, |window| window.len() - 1)
    }

    /// The first `most` windows.
    #[must_use]
    pub fn first(&self, most: usize) -> Self {
        Self {
            name: self.name.clone(),
            windows: self.windows.iter().take(most).cloned().collect(),
        }
    }
}
