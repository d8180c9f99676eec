//! `[evaluation]`: the numbers of the perplexity protocol, and the tasks that are measured.

use serde::{Deserialize, Serialize};
use tasks::TaskConfig;

use crate::defaults;
use crate::task;

/// The documents that are scored after training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationSplit {
    /// Documents that steer nothing.
    Test,
    /// Documents whose loss is watched during training.
    Valid,
}

/// `[evaluation]` with every value explicit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationConfig {
    /// The documents that are scored.
    pub split: EvaluationSplit,
    /// Context lengths over the training length, strictly rising, each a whole number of tokens.
    pub context_factors: Vec<f64>,
    /// Final tokens of a window that are scored, the same ones at every context length.
    pub scored_tokens: usize,
    /// Windows of one document, evenly spaced; 0: all.
    pub windows_per_document: usize,
    /// Resamplings of the documents behind an interval.
    pub bootstrap_samples: usize,
    /// Tasks that are measured, at the same context lengths.
    #[serde(
        default,
        deserialize_with = "task::list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub tasks: Vec<TaskConfig>,
    /// Samples of each task and length; present where there are tasks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_samples: Option<usize>,
}

impl EvaluationConfig {
    /// The context lengths in tokens, strictly rising, for windows trained at `context_length` tokens.
    pub fn context_lengths(&self, context_length: usize) -> Vec<usize> {
        self.context_factors
            .iter()
            .map(|factor| (factor * context_length as f64).round() as usize)
            .collect()
    }

    /// The most windows of one document; `None`: all.
    pub fn window_limit(&self) -> Option<usize> {
        (self.windows_per_document > 0).then_some(self.windows_per_document)
    }

    /// Samples of each task and length.
    pub fn samples_per_task(&self) -> usize {
        self.task_samples.unwrap_or(defaults::TASK_SAMPLES)
    }
}
