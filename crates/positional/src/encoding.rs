//! The one interface through which a decoder learns about position.

use std::fmt::Debug;
use std::sync::Arc;

use crate::{EncodingError, Spectrum};

/// What building an encoding gives: the encoding, shared by the layers that use it, or why not.
pub type BuildResult = Result<Arc<dyn PositionalEncoding>, EncodingError>;

/// What an encoding does to attention. Every answer has a neutral default, so an encoding states
/// only what it changes, and a decoder asks everything and never looks at the kind.
///
/// Positions are 0-based token indices within the sequence.
pub trait PositionalEncoding: Debug + Send + Sync {
    /// Short name for tables and plots, with the parameters that matter: `0.75-RoPE, θ=10000`.
    fn label(&self) -> String;

    /// Rotation of queries and keys. `None`: they are not rotated.
    fn spectrum(&self) -> Option<&Spectrum> {
        None
    }

    /// Added to the logit of query `i` and key `j` at `distance` `i - j` tokens, after the softmax
    /// scale. `None`: this encoding has no bias. Whether it is `None` does not depend on the arguments.
    ///
    /// # Panics
    /// May panic when `head` is not below the shape's `num_heads`.
    fn bias(&self, head: usize, distance: usize) -> Option<f64> {
        let _ = (head, distance);
        None
    }

    /// Added to the embedding at `position`, `hidden_size` numbers. `None`: nothing is added.
    /// Whether it is `None` does not depend on the argument.
    fn absolute(&self, position: usize) -> Option<Vec<f64>> {
        let _ = position;
        None
    }

    /// Multiplies the query at `position`, and so its logits. An encoding that overrides this
    /// overrides [`PositionalEncoding::scales_logits`] too.
    fn logit_scale(&self, position: usize) -> f64 {
        let _ = position;
        1.0
    }

    /// Whether there is a bias to add.
    fn has_bias(&self) -> bool {
        self.bias(0, 0).is_some()
    }

    /// Whether there is something to add to the embeddings.
    fn has_absolute(&self) -> bool {
        self.absolute(0).is_some()
    }

    /// Whether [`PositionalEncoding::logit_scale`] is ever other than 1.
    fn scales_logits(&self) -> bool {
        false
    }
}
