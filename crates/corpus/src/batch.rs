//! Windows side by side, as a model takes them.

use crate::windows::Window;

/// A batch of windows, both matrices row-major `[batch, length]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What the model reads.
    pub inputs: Vec<i32>,
    /// What it is to predict.
    pub targets: Vec<i32>,
    /// Rows.
    pub batch: usize,
    /// Columns: tokens per window.
    pub length: usize,
}

impl Batch {
    pub(crate) fn new(windows: impl Iterator<Item = Window>, batch: usize, length: usize) -> Self {
        let mut inputs = Vec::with_capacity(batch * length);
        let mut targets = Vec::with_capacity(batch * length);
        for window in windows {
            inputs.extend(window.inputs.iter().map(|id| *id as i32));
            targets.extend(window.targets.iter().map(|id| *id as i32));
        }
        Self {
            inputs,
            targets,
            batch,
            length,
        }
    }
}
