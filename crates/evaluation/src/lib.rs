//! Perplexity protocols, and tasks run on a decoder.
//!
//! [`evaluate`] runs the protocol that `docs/perplexity.md` defines, [`evaluate_tasks`] the tasks of
//! `docs/tasks.md`; [`validation_loss`] and [`answer_loss`] are the quick looks that training takes in between.

mod answers;
mod interval;
mod perplexity;
mod protocol;
mod scoring;

pub use answers::{
    TASKS_VERSION, TaskEvaluation, TaskPlan, TaskResult, answer_loss, evaluate_tasks,
};
pub use interval::{Interval, WindowScore};
pub use perplexity::{
    ContextResult, DocumentResult, Evaluation, EvaluationError, PositionBucket, evaluate,
    validation_loss,
};
pub use protocol::{PROTOCOL_NAME, PROTOCOL_VERSION, Protocol};
