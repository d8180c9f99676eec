//! In which number format the large matrix products run.

use burn::tensor::{DType, Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// Format of the inputs of the large matrix products.
///
/// Weights, norms, rotary tables, softmax, loss, gradients and optimizer moments are f32 either way
/// (the table in `docs/architecture.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floats throughout.
    F32,
    /// bfloat16 inputs; sums are f32 inside the product, results are rounded to bfloat16 and widened.
    Bf16,
}

impl Precision {
    /// As configs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether `device` can multiply matrices in this format natively.
    pub fn is_supported_by(self, device: &Device) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16 => device.supports_dtype(DType::BF16),
        }
    }

    /// `x` in this format, where the attention kernels of `device` take it.
    pub(crate) fn narrowed<const R: usize>(self, x: Tensor<R>, device: &Device) -> Tensor<R> {
        match self {
            Self::Bf16 if fused::multiplies_bf16(device) => x.cast(FloatDType::BF16),
            Self::Bf16 | Self::F32 => x,
        }
    }

    /// `a @ b` over the last two dimensions, as an f32 tensor.
    pub(crate) fn matmul<const R: usize>(self, a: Tensor<R>, b: Tensor<R>) -> Tensor<R> {
        match self {
            Self::F32 => a.matmul(b),
            Self::Bf16 => {
                // Not every shape survives the kernels that Burn tries for its own product.
                let multiply = if fused::multiplies_bf16(&a.device()) {
                    fused::linear
                } else {
                    Tensor::matmul
                };
                let [a, b] = [a, b].map(|x| x.cast(FloatDType::BF16));
                multiply(a, b).cast(FloatDType::F32)
            }
        }
    }
}
