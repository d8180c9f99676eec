//! How devices sum a tensor that each has its own of.

use burn::backend::DispatchDevice;
use burn::tensor::Device;
use cubecl::client::ClientGroup;
use cubecl::ir::{ElemType, FloatKind};

/// Whether f32 tensors of `devices` are summed by a collective operation of their runtime: NCCL on CUDA. Where
/// not, Burn copies all of them to one device, adds them up there and copies the sum back.
pub fn reduces_natively(devices: &[Device]) -> bool {
    let clients = devices.iter().map(|device| {
        let device = device.clone().inner();
        match device.as_dispatch() {
            DispatchDevice::Cube(device) => Some(device.client()),
            _ => None,
        }
    });
    let group = clients.collect::<Option<Vec<_>>>();
    let group = group.and_then(|clients| ClientGroup::new(clients).ok());
    group.is_some_and(|group| group.reduces(ElemType::Float(FloatKind::F32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_has_no_collective_operations() {
        assert!(!reduces_natively(&[Device::flex(), Device::flex()]));
    }
}
