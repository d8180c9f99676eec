//! What every task can do once it is built.

use std::fmt::Debug;

use crate::random::Random;
use crate::{Sample, TaskError};

/// Makes samples of one task with its parameters and vocabulary fixed.
pub(crate) trait Generate: Debug + Send + Sync {
    /// The task's name.
    fn kind(&self) -> &'static str;

    /// The smallest T that has room for the task.
    fn least_length(&self) -> usize;

    /// Chance of a uniform guess among the ids an answer's token can be, where that is a number.
    fn token_chance(&self) -> Option<f64>;

    /// Sample `index` of `length` tokens, which [`Generate::check_length`] allows.
    fn generate(&self, random: &mut Random, index: u64, length: usize) -> Sample;

    /// That a sample of `length` tokens can be made.
    fn check_length(&self, length: usize) -> Result<(), TaskError> {
        let least = self.least_length();
        if length >= least {
            return Ok(());
        }
        Err(TaskError::LengthTooShort {
            kind: self.kind(),
            length,
            least,
        })
    }
}
