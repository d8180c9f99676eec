//! What a step is computed of: sequences, and which of their tokens are learnt.

use corpus::{Batch, TokenFile, Windows};
use decoder::Decoder;
use evaluation::{EvaluationError, answer_loss, validation_loss};
use fused::Workers;
use tasks::{Stream, Task};

/// Sequences side by side, as many as one forward pass takes.
#[derive(Clone, Debug)]
pub struct MicroBatch {
    /// What the model reads, `[batch, length]`.
    pub inputs: Vec<i32>,
    /// What it is to predict, `[N]`.
    pub targets: Vec<i32>,
    /// The positions, of `batch * length`, that the targets follow; `None`: all.
    pub rows: Option<Vec<i32>>,
    /// Sequences.
    pub batch: usize,
    /// Tokens of a sequence.
    pub length: usize,
}

impl From<Batch> for MicroBatch {
    fn from(batch: Batch) -> Self {
        let Batch {
            inputs,
            targets,
            batch,
            length,
        } = batch;
        Self {
            inputs,
            targets,
            rows: None,
            batch,
            length,
        }
    }
}

/// Where the training's sequences come from. Each is a pure function of the seed and its index.
pub enum Examples<'a> {
    /// Windows of a text; every token is learnt.
    Text {
        /// To train on.
        windows: Windows,
        /// To look at meanwhile.
        valid: &'a TokenFile,
        /// Token before each window.
        bos: u32,
    },
    /// Samples of a task; only the answers' tokens are learnt.
    Task {
        /// To train on.
        train: Task,
        /// To look at meanwhile: another where it hides its answers in another text.
        valid: Task,
        /// The run's.
        seed: u64,
    },
}

impl Examples<'_> {
    /// The samples `first..first + size`, of `length` tokens.
    ///
    /// # Panics
    /// If the task cannot have that length, which is checked before training.
    pub fn batch(&self, first: u64, size: usize, length: usize) -> MicroBatch {
        match self {
            Self::Text { windows, .. } => windows.batch(first, size).into(),
            Self::Task { train, seed, .. } => {
                let mut batch = MicroBatch {
                    inputs: Vec::with_capacity(size * length),
                    targets: Vec::new(),
                    rows: Some(Vec::new()),
                    batch: size,
                    length,
                };
                for slot in 0..size {
                    let sample = train
                        .sample(Stream::Train, *seed, first + slot as u64, length)
                        .expect("a length that was checked");
                    batch.append(&sample, slot * length);
                }
                batch
            }
        }
    }

    /// Mean loss in nats over the learnt tokens of `count` sequences of `length` tokens that are not trained on.
    ///
    /// # Errors
    /// If there is no such sequence.
    pub fn validation_loss(
        &self,
        decoder: &Decoder,
        length: usize,
        count: usize,
        workers: &Workers,
    ) -> Result<f64, EvaluationError> {
        match self {
            Self::Text { valid, bos, .. } => {
                validation_loss(decoder, valid, *bos, length, count, workers)
            }
            Self::Task { valid, .. } => answer_loss(decoder, valid, length, count, workers),
        }
    }
}

impl MicroBatch {
    /// Adds a sample whose first position is row `first`.
    fn append(&mut self, sample: &tasks::Sample, first: usize) {
        self.inputs
            .extend(sample.inputs().iter().map(|id| id.cast_signed()));
        let scored = sample.scored();
        let learnt = (0..sample.length()).filter(|target| scored[*target]);
        for target in learnt {
            self.targets.push(sample.targets()[target].cast_signed());
            if let Some(rows) = &mut self.rows {
                rows.push((first + target) as i32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tasks::{TaskConfig, Vocabulary};

    use super::*;

    const BYTES: Vocabulary = Vocabulary {
        bos: 256,
        first_id: 0,
        size: 257,
    };

    fn examples() -> Examples<'static> {
        let config = TaskConfig::new("mqar").expect("a task");
        let task = config.build(BYTES, None).expect("buildable");
        Examples::Task {
            train: task.clone(),
            valid: task,
            seed: 3,
        }
    }

    #[test]
    fn rows_are_where_the_answers_targets_are() {
        let batch = examples().batch(5, 2, 64);
        let rows = batch.rows.expect("a mask");
        assert_eq!((rows.len(), batch.targets.len()), (16, 16));
        for (row, target) in rows.iter().zip(&batch.targets) {
            let row = *row as usize;
            // The value behind the key at `row`, which the input shows at the next position, if it has one.
            if row % 64 < 63 {
                assert_eq!(batch.inputs[row + 1], *target);
            }
            let sequence = &batch.inputs[row / 64 * 64..][..64];
            let shown = (1..17)
                .step_by(2)
                .find(|at| sequence[*at] == batch.inputs[row]);
            assert_eq!(sequence[shown.expect("the key is shown") + 1], *target);
        }
    }

    #[test]
    fn a_batch_is_its_samples_in_order() {
        let examples = examples();
        let (both, second) = (examples.batch(4, 2, 40), examples.batch(5, 1, 40));
        assert_eq!(both.inputs[40..], second.inputs);
        let rows = second.rows.expect("a mask");
        let shifted: Vec<i32> = rows.iter().map(|row| row + 40).collect();
        assert!(both.rows.expect("a mask").ends_with(&shifted));
        assert!(both.targets.ends_with(&second.targets));
    }
}
