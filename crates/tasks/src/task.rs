//! A task made ready for one vocabulary and tokenizer.

use std::sync::Arc;

use crate::generate::Generate;
use crate::random::Random;
use crate::{Sample, Stream, TaskConfig, TaskError};

/// A task that makes samples, from [`TaskConfig::build`]. Cheap to clone, and to share by threads.
#[derive(Clone, Debug)]
pub struct Task {
    config: TaskConfig,
    generator: Arc<dyn Generate>,
}

impl Task {
    pub(crate) fn new(config: TaskConfig, generator: Box<dyn Generate>) -> Self {
        Self {
            config,
            generator: generator.into(),
        }
    }

    /// What it was built from.
    pub fn config(&self) -> &TaskConfig {
        &self.config
    }

    /// The smallest length that has room for the task, in tokens.
    pub fn least_length(&self) -> usize {
        self.generator.least_length()
    }

    /// That samples of `length` tokens can be made.
    ///
    /// # Errors
    /// [`TaskError::LengthTooShort`]; [`TaskError::FillerTooShort`] when a text is used up.
    pub fn check_length(&self, length: usize) -> Result<(), TaskError> {
        self.generator.check_length(length)
    }

    /// Sample `index`, with `length` inputs and as many targets.
    ///
    /// A pure function of all arguments, the parameters, the vocabulary and the text. Streams are
    /// independent: the same seed and index give unrelated samples in another one.
    ///
    /// # Errors
    /// Those of [`Task::check_length`].
    pub fn sample(
        &self,
        stream: Stream,
        seed: u64,
        index: u64,
        length: usize,
    ) -> Result<Sample, TaskError> {
        self.check_length(length)?;
        let mut random = Random::of_sample(self.config.kind(), stream, seed, index, length);
        Ok(self.generator.generate(&mut random, index, length))
    }

    /// Token accuracy of a uniform guess among the ids that an answer can be; none for tasks in
    /// words, where it depends on the tokenizer. `docs/tasks.md` has what cleverer guesses reach.
    pub fn token_chance(&self) -> Option<f64> {
        self.generator.token_chance()
    }
}
