//! What is scored: the parameters of the final-tokens protocol.

use serde::{Deserialize, Serialize};

/// Name printed with every number.
pub const PROTOCOL_NAME: &str = "final-tokens";
/// Raised whenever a change of the protocol could change a number.
pub const PROTOCOL_VERSION: u32 = 1;

/// Parameters of the final-tokens protocol (`docs/perplexity.md`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// Context lengths in tokens, rising. The last one sets the length of the windows.
    pub contexts: Vec<usize>,
    /// Tokens scored at the end of each window, the same ones at every context length.
    pub scored_tokens: usize,
    /// Most windows of one document, evenly spaced; `None`: all.
    pub windows_per_document: Option<usize>,
    /// Resamples of the bootstrap behind the intervals.
    pub bootstrap_samples: usize,
}

impl Protocol {
    /// Length of a window in tokens: the longest context.
    pub fn window(&self) -> usize {
        self.contexts.last().copied().unwrap_or(0)
    }
}
