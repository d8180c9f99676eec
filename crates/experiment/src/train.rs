//! `[train]`: the optimizer's steps.

use serde::{Deserialize, Serialize};

use crate::defaults;

/// How the learning rate moves after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Half a cosine from the peak to the final rate at the last step (Loshchilov and Hutter, 2017).
    Cosine,
    /// The peak until [`TrainConfig::decay_steps`] before the end, then linearly to the final rate
    /// (Hu et al., 2024).
    WarmupStableDecay,
    /// The peak to the end.
    Constant,
}

/// Number format of the matrix products' inputs. Master weights, optimizer state, softmax, norms and
/// loss are f32 in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// bf16 where the device computes with it, f32 elsewhere.
    Auto,
    /// f32.
    F32,
    /// bf16; an error on a device without it.
    Bf16,
}

/// Whose kernels train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernels {
    /// The fastest there are for the device: on the CPU our own for every operation, on a GPU Burn's
    /// fused attention where a layer allows it.
    Fused,
    /// Burn's plain tensor operations.
    Plain,
}

/// Which activations a forward pass keeps for the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationCheckpointing {
    #[default]
    /// [`Self::Block`] where the estimate of the memory of [`Self::None`] exceeds what the device has.
    Auto,
    /// All of them.
    None,
    /// The input of each block; the rest of a block is computed again before its backward pass (Chen et
    /// al., 2016). A third more work, the same numbers.
    Block,
}

/// `[train]` with every value explicit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Tokens of a training window.
    pub context_length: usize,
    /// Windows per optimizer step.
    pub batch_size: usize,
    /// Windows per forward pass; divides `batch_size`. Gradients accumulate over the passes of a step.
    pub micro_batch_size: usize,
    /// Optimizer steps of the whole run.
    pub steps: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// What the learning rate does after the warm-up.
    pub schedule: Schedule,
    /// Steps of the linear warm-up; 0 begins at the peak.
    pub warmup_steps: usize,
    /// Steps of the final decay; present for [`Schedule::WarmupStableDecay`] only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay_steps: Option<usize>,
    /// Learning rate of the last step over the peak. [`Schedule::Constant`] does not use it.
    pub final_learning_rate_ratio: f64,
    /// `AdamW`'s decay of the mean gradient.
    pub beta1: f64,
    /// `AdamW`'s decay of the mean squared gradient.
    pub beta2: f64,
    /// `AdamW`'s addend to the root of the mean squared gradient.
    pub epsilon: f64,
    /// `AdamW`'s decoupled weight decay.
    pub weight_decay: f64,
    /// Gradients of a larger global norm are scaled down to it; infinity: never.
    pub max_grad_norm: f64,
    /// Number format of the matrix products' inputs.
    pub precision: Precision,
    /// How attention is computed.
    pub kernels: Kernels,
    /// Which activations are kept for the backward pass. Runs from before this key have none; no number depends on it.
    #[serde(default)]
    pub activation_checkpointing: ActivationCheckpointing,
    /// Steps between validation losses; 0: only after the last step.
    pub evaluate_every: usize,
    /// Validation windows per validation loss.
    pub evaluation_windows: usize,
    /// Steps between checkpoints; 0: only after the last step.
    pub checkpoint_every: usize,
    /// Latest checkpoints that are kept.
    pub keep_checkpoints: usize,
}

impl TrainConfig {
    /// Training at one learning rate from first to last step, without validation and checkpoints on the
    /// way; everything else at its default.
    pub fn at_constant_rate(
        context_length: usize,
        batch_size: usize,
        steps: usize,
        learning_rate: f64,
    ) -> Self {
        Self {
            context_length,
            batch_size,
            micro_batch_size: batch_size,
            steps,
            learning_rate,
            schedule: Schedule::Constant,
            warmup_steps: 0,
            decay_steps: None,
            final_learning_rate_ratio: 1.0,
            beta1: defaults::BETA1,
            beta2: defaults::BETA2,
            epsilon: defaults::EPSILON,
            weight_decay: defaults::WEIGHT_DECAY,
            max_grad_norm: defaults::MAX_GRAD_NORM,
            precision: defaults::PRECISION,
            kernels: defaults::KERNELS,
            activation_checkpointing: defaults::ACTIVATION_CHECKPOINTING,
            evaluate_every: 0,
            evaluation_windows: 1,
            checkpoint_every: 0,
            keep_checkpoints: 1,
        }
    }

    /// Tokens that one optimizer step trains on.
    pub fn tokens_per_step(&self) -> usize {
        self.batch_size * self.context_length
    }

    /// Forward passes of one optimizer step.
    pub fn micro_batches_per_step(&self) -> usize {
        self.batch_size / self.micro_batch_size
    }

    /// The learning rate of the 0-based `step`, a pure function of the config.
    ///
    /// The warm-up gives step s the share `(s + 1) / warmup_steps` of the peak, so its first step is
    /// not wasted at rate 0 and its last is at the peak. The decay reaches the final rate exactly at
    /// the last step, and stays there for steps beyond it.
    pub fn learning_rate(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.learning_rate * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let last = self.learning_rate * self.final_learning_rate_ratio;
        match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Cosine => {
                let progress = share_done(step, self.warmup_steps, self.steps);
                let height = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
                last + (self.learning_rate - last) * height
            }
            Schedule::WarmupStableDecay => {
                let begin = self.steps.saturating_sub(self.decay_steps.unwrap_or(0));
                let progress = share_done(step, begin, self.steps);
                self.learning_rate + (last - self.learning_rate) * progress
            }
        }
    }
}

/// Share of the steps `begin..end` that are done once `step` is: 0 before `begin`, 1 at `end - 1`.
fn share_done(step: usize, begin: usize, end: usize) -> f64 {
    let done = (step + 1).saturating_sub(begin);
    match end.saturating_sub(begin) {
        0 => f64::from(u8::from(done > 0)),
        length => (done as f64 / length as f64).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(schedule: Schedule, warmup_steps: usize, decay_steps: Option<usize>) -> TrainConfig {
        TrainConfig {
            learning_rate: 0.5,
            schedule,
            warmup_steps,
            decay_steps,
            final_learning_rate_ratio: 0.25,
            micro_batch_size: 2,
            ..TrainConfig::at_constant_rate(64, 8, 100, 0.5)
        }
    }

    #[track_caller]
    fn assert_rates(config: &TrainConfig, expected: &[(usize, f64)]) {
        for &(step, rate) in expected {
            let found = config.learning_rate(step);
            assert!(
                (found - rate).abs() < 1e-15,
                "step {step}: {found} != {rate}"
            );
        }
    }

    #[test]
    fn warmup_ends_at_the_peak() {
        for schedule in [Schedule::Cosine, Schedule::Constant] {
            let config = train(schedule, 20, None);
            assert_rates(&config, &[(0, 0.025), (9, 0.25), (19, 0.5)]);
        }
    }

    #[test]
    fn cosine_halves_in_the_middle_and_ends_at_the_final_rate() {
        let config = train(Schedule::Cosine, 20, None);
        // Steps 20..=99 decay; half of them are done after step 59.
        assert_rates(
            &config,
            &[(59, 0.3125), (99, 0.125), (100, 0.125), (9999, 0.125)],
        );
        // A quarter of the way: cos(pi/4) = sqrt(1/2).
        let quarter = 0.125 + 0.375 * 0.5 * (1.0 + 0.5_f64.sqrt());
        assert_rates(&config, &[(39, quarter)]);
    }

    #[test]
    fn cosine_without_warmup_or_without_decay() {
        let no_warmup = train(Schedule::Cosine, 0, None);
        assert!(no_warmup.learning_rate(0) < 0.5 && no_warmup.learning_rate(0) > 0.499);
        let only_warmup = train(Schedule::Cosine, 100, None);
        assert_rates(&only_warmup, &[(99, 0.5), (100, 0.125)]);
    }

    #[test]
    fn stable_until_the_decay_then_linear() {
        let config = train(Schedule::WarmupStableDecay, 10, Some(40));
        assert_rates(
            &config,
            &[
                (9, 0.5),
                (10, 0.5),
                (59, 0.5),
                (60, 0.490_625),
                (79, 0.3125),
                (99, 0.125),
            ],
        );
        assert_rates(&config, &[(100, 0.125)]);
    }

    #[test]
    fn constant_stays() {
        let config = train(Schedule::Constant, 0, None);
        assert_rates(&config, &[(0, 0.5), (50, 0.5), (99, 0.5)]);
    }

    #[test]
    fn a_step_counts_all_micro_batches() {
        let config = train(Schedule::Constant, 0, None);
        assert_eq!(
            (config.tokens_per_step(), config.micro_batches_per_step()),
            (512, 4)
        );
    }
}
