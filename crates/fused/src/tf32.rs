//! TF32: on NVIDIA's tensor cores a product of f32 matrices is fast if its inputs are rounded to ten bits of
//! mantissa. Whoever asks for f32 here gets f32.

use burn::backend::DispatchDevice;
use burn::tensor::Device;
use cubecl::ir::{ElemType, FloatKind};
use cubek::std::config::{CubekConfig, MatmulConfig, RuntimeConfig};

/// Keeps the matrix products of this process from rounding f32 to TF32, whatever a `cubek.toml` says. Returns
/// whether they do not round: it must be called before the first product of the process.
pub fn decline_tf32() -> bool {
    CubekConfig::try_set(CubekConfig {
        matmul: MatmulConfig { allow_tf32: false },
    });
    !MatmulConfig::get().allow_tf32
}

/// Whether [`crate::attention`] on `device` may round f32 inputs to TF32, which [`decline_tf32`] does not
/// reach: cubek's attention takes any matrix instruction there is.
pub fn attention_rounds_f32(device: &Device) -> bool {
    let device = device.clone().inner();
    let DispatchDevice::Cube(device) = device.as_dispatch() else {
        return false;
    };
    let client = device.client();
    let instructions = &client.properties().features.matmul;
    let tf32 = ElemType::Float(FloatKind::TF32);
    let all = instructions.cmma.iter().chain(&instructions.mma);
    all.into_iter()
        .any(|instruction| instruction.a_type == tf32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f32_products_stay_f32() {
        assert!(decline_tf32());
        assert!(!MatmulConfig::get().allow_tf32);
        assert!(decline_tf32(), "a second call changes nothing");
    }

    #[test]
    fn the_cpu_s_attention_is_f32() {
        assert!(!attention_rounds_f32(&Device::flex()));
    }
}
