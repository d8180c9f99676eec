//! How a pass over the decoder is computed. What is computed does not depend on it.

use burn::tensor::{Device, Tensor};

use crate::precision::Precision;

/// Whose kernels do the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// Burn's plain operations; scores, mask, softmax and sum of attention written out, one chunk of
    /// queries at a time. What the others are checked against.
    Plain,
    /// The same, with Burn's fused attention in the layers it can express: causal, without window,
    /// soft-cap or bias.
    FusedAttention,
    /// The crate [`fused`]: one kernel forward and one backward for each operation of a layer.
    Fused,
}

impl Kernels {
    /// The fastest there are on `device`.
    pub fn best(device: &Device) -> Self {
        if fused::is_supported_by(device) {
            Self::Fused
        } else {
            Self::FusedAttention
        }
    }

    /// The fastest on `device` that compute in f32 whatever the device: Burn's accelerated inference
    /// attention may use f16 inside, the crate [`fused`] never does.
    pub fn exact(device: &Device) -> Self {
        match Self::best(device) {
            Self::Fused => Self::Fused,
            Self::FusedAttention | Self::Plain => Self::Plain,
        }
    }
}

/// Precision, kernels and chunk of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    /// Format of the large matrix products.
    pub precision: Precision,
    /// Whose kernels do the work.
    pub kernels: Kernels,
    /// Queries per chunk where attention is written out. Memory for scores is `heads * query_chunk * T`
    /// instead of `heads * T * T`, and keys in the future of a whole chunk are never touched.
    pub query_chunk: usize,
}

impl Execution {
    /// `x @ weight`: `[N, I]` and `[I, O]` to `[N, O]`.
    pub(crate) fn linear(self, x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
        if self.fuses_products() {
            fused::linear(x, weight)
        } else {
            self.precision.matmul(x, weight)
        }
    }

    /// Whether the crate [`fused`] multiplies matrices: it does so in f32 only.
    pub(crate) fn fuses_products(self) -> bool {
        self.kernels == Kernels::Fused && self.precision == Precision::F32
    }
}
