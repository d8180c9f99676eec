//! Synthetic retrieval and positional probes: token sequences with marked answers, and their scores.
//!
//! ```text
//! TaskConfig --build--> Task --sample(stream, seed, index, length)--> Sample
//!                                                                       | one forward pass of any model
//! Scores <--summarize-- AnswerScore <--score_sample-- losses, argmax ---+
//! ```
//!
//! A sample is scored with teacher forcing: the model reads all of it once, and its losses at the
//! answers' targets are what counts. Sample `i` is a pure function of the stream, the seed, `i`,
//! the length and the parameters, so any worker can make any sample and nothing needs saving.
//! `docs/tasks.md` defines every task and gives its source.

mod config;
mod copying;
mod error;
mod generate;
mod haystack;
mod induction;
mod numbers;
mod probes;
mod random;
mod recall;
mod sample;
mod score;
mod task;
mod vocabulary;

pub use config::TaskConfig;
pub use copying::{Copy, Reverse, SelectiveCopy};
pub use error::TaskError;
pub use haystack::{Filler, Needle, Passkey, Text};
pub use induction::Induction;
pub use probes::{FirstToken, KBack, PreviousToken};
pub use random::Stream;
pub use recall::Mqar;
pub use sample::{Answer, Cell, Sample};
pub use score::{
    AnswerScore, CellScore, Difference, GroupScore, LengthScore, Outcome, SampleScore, Score,
    Scores, by_length, by_sample, score_sample, summarize,
};
pub use task::Task;
pub use vocabulary::{Marker, Vocabulary};
