//! Every default value, in one place. `docs/config.md` is tested against them.
//!
//! Defaults that follow from other values (`warmup_steps`, `scored_tokens`, ...) are computed in
//! `resolve`.

use corpus::{Format, Splits};

use crate::evaluation::EvaluationSplit;
use crate::run::DeviceRequest;
use crate::train::{ActivationCheckpointing, Kernels, Precision, Schedule};

pub(crate) const SEED: u64 = 1;

pub(crate) const FORMAT: Format = Format::Auto;
pub(crate) const FIELD: &str = "text";
pub(crate) const SPLITS: Splits = Splits::Names;
pub(crate) const VALID_FRACTION: f64 = 0.05;
pub(crate) const TEST_FRACTION: f64 = 0.05;
pub(crate) const CACHE: &str = "datasets/.cache";

pub(crate) const CONTEXT_LENGTH: usize = 256;
pub(crate) const BATCH_SIZE: usize = 8;
pub(crate) const LEARNING_RATE: f64 = 3e-3;
pub(crate) const SCHEDULE: Schedule = Schedule::Cosine;
/// `warmup_steps` is the number of steps divided by this.
pub(crate) const STEPS_PER_WARMUP_STEP: usize = 20;
pub(crate) const FINAL_LEARNING_RATE_RATIO: f64 = 0.1;
pub(crate) const BETA1: f64 = 0.9;
pub(crate) const BETA2: f64 = 0.95;
pub(crate) const EPSILON: f64 = 1e-8;
pub(crate) const WEIGHT_DECAY: f64 = 0.1;
pub(crate) const MAX_GRAD_NORM: f64 = 1.0;
pub(crate) const PRECISION: Precision = Precision::Auto;
pub(crate) const KERNELS: Kernels = Kernels::Fused;
pub(crate) const ACTIVATION_CHECKPOINTING: ActivationCheckpointing = ActivationCheckpointing::Auto;
pub(crate) const EVALUATE_EVERY: usize = 200;
pub(crate) const EVALUATION_WINDOWS: usize = 32;
pub(crate) const CHECKPOINT_EVERY: usize = 200;
pub(crate) const KEEP_CHECKPOINTS: usize = 2;

pub(crate) const SPLIT: EvaluationSplit = EvaluationSplit::Test;
pub(crate) const CONTEXT_FACTORS: &[f64] = &[0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
/// `scored_tokens` is `context_length` divided by this.
pub(crate) const CONTEXT_PER_SCORED_TOKEN: usize = 4;
pub(crate) const WINDOWS_PER_DOCUMENT: usize = 16;
pub(crate) const BOOTSTRAP_SAMPLES: usize = 1000;
/// A multiple of the eleven depths of `passkey` and `needle`.
pub(crate) const TASK_SAMPLES: usize = 110;

pub(crate) const DIRECTORY: &str = "runs";
pub(crate) const DEVICE: DeviceRequest = DeviceRequest::Auto;
pub(crate) const TENSORBOARD: bool = true;
