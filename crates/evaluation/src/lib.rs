//! Perplexity protocols.
//!
//! [`evaluate`] runs the protocol that `docs/perplexity.md` defines; [`validation_loss`] is the quick
//! look that training takes in between.

mod interval;
mod perplexity;
mod protocol;
mod scoring;

pub use interval::{Interval, WindowScore};
pub use perplexity::{
    ContextResult, DocumentResult, Evaluation, EvaluationError, PositionBucket, evaluate,
    validation_loss,
};
pub use protocol::{PROTOCOL_NAME, PROTOCOL_VERSION, Protocol};
