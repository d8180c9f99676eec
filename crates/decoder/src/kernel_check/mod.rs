//! Do the kernels of a device compute what they should?
//!
//! Kernels are compiled and chosen for each device anew, by shape and number format, and a wrong one shows
//! nowhere but in models that learn badly: on Mesa's lavapipe 22.3 the tile attention's gradients of keys and
//! values are off by factors while its output is right. So before training, every operation that a step uses
//! is computed once on the device in the format and the shapes of that step, forward and backward, and
//! compared with the CPU's kernels in f32, which have finite differences and independent implementations
//! behind them.

mod attention;
mod comparison;
mod noise;
mod operations;

use burn::tensor::Device;

pub use comparison::KernelCheck;

use crate::config::DecoderConfig;
use crate::precision::Precision;

/// What is trained: it decides which kernels a device takes.
#[derive(Clone, Copy, Debug)]
pub struct Workload<'a> {
    /// The decoder.
    pub config: &'a DecoderConfig,
    /// Sequences of a forward pass.
    pub batch: usize,
    /// Tokens of a sequence.
    pub length: usize,
    /// Format of the large matrix products and of attention.
    pub precision: Precision,
}

/// Attention of every kind of layer that the crate [`fused`] can express on `device`: its output and the
/// gradients of queries, keys and values, at the full shape of `workload`. Nothing for the CPU, whose
/// kernels are what the others are compared with.
pub fn check_attention(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    if is_reference(device) {
        return Vec::new();
    }
    attention::check(device, workload)
}

/// Every other operation of a training step on `device`: norms, rotations, the feed-forward layer's gate and
/// product, embedding, loss, and the optimizer's. Nothing for the CPU.
pub fn check_operations(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    if is_reference(device) {
        return Vec::new();
    }
    operations::check(device, workload)
}

fn is_reference(device: &Device) -> bool {
    device.clone().inner() == Device::flex()
}
