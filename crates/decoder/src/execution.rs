//! How a pass over the decoder is computed. What is computed does not depend on it.

use burn::tensor::{Device, Tensor};

use crate::precision::Precision;

/// Whose kernels do the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// Burn's plain operations: what the others are checked against.
    Plain,
    /// The crate [`fused`]: one kernel forward and one backward for each operation of a layer.
    Fused,
}

impl Kernels {
    /// The fastest there are on `device`.
    pub fn best(device: &Device) -> Self {
        if fused::is_supported_by(device) {
            Self::Fused
        } else {
            Self::Plain
        }
    }
}

/// How a pass is computed.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    /// Format of the large matrix products.
    pub precision: Precision,
    /// Whose kernels do the work, attention apart.
    pub kernels: Kernels,
    /// Attention by the crate [`fused`] in the layers that it can express on the device; elsewhere scores,
    /// mask, softmax and sum are written out, one chunk of queries at a time.
    pub fused_attention: bool,
    /// Queries per chunk where attention is written out. Memory for scores is `heads * query_chunk * T`
    /// instead of `heads * T * T`, and keys in the future of a whole chunk are never touched.
    pub query_chunk: usize,
}

impl Execution {
    /// The fastest way on `device` that computes in f32 throughout: the attention kernels of GPUs may use
    /// 16-bit fragments inside, ours on the CPU never do.
    pub fn exact(device: &Device, query_chunk: usize) -> Self {
        let kernels = Kernels::best(device);
        Self {
            precision: Precision::F32,
            kernels,
            fused_attention: kernels == Kernels::Fused && !fused::multiplies_bf16(device),
            query_chunk,
        }
    }

    /// `x @ weight`: `[N, I]` and `[I, O]` to `[N, O]`.
    pub(crate) fn linear(self, x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
        if self.kernels == Kernels::Fused && self.precision == Precision::F32 {
            fused::linear(x, weight)
        } else {
            self.precision.matmul(x, weight)
        }
    }

    /// Whether the crate [`fused`] computes the loss on `device`.
    pub(crate) fn fuses_loss(self, device: &Device) -> bool {
        let multiplies = self.precision == Precision::F32 || fused::multiplies_bf16(device);
        self.kernels == Kernels::Fused && multiplies
    }
}
