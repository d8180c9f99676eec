//! Which device a run uses, and why.

use burn::tensor::Device;
#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::tensor::DeviceType;
use experiment::{Adapter, DeviceRequest};
use thiserror::Error;

use crate::provenance;

/// A device with the words that describe the choice.
pub struct Selected {
    /// The devices that train together, without autodiff; nearly always one.
    pub devices: Vec<Device>,
    /// Short name, for example `cpu` or `wgpu:0`.
    pub name: String,
    /// What it is: hardware name or number of threads.
    pub description: String,
    /// Why it was chosen.
    pub reason: String,
}

/// A device that is not there.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct DeviceError {
    /// What is missing.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Finds the requested device.
///
/// `auto` takes CUDA if compiled in and present, else a real GPU through wgpu, else the CPU; a
/// software rasterizer only when asked for by name (`wgpu:cpu`). From here on products of f32 matrices are
/// not rounded to TF32.
///
/// # Errors
/// If the device is not compiled in or not there.
pub fn select(request: &DeviceRequest) -> Result<Selected, DeviceError> {
    // Evaluation, and training in f32, promise f32.
    fused::decline_tf32();
    match request {
        DeviceRequest::Auto => Ok(automatic()),
        DeviceRequest::Cpu => Ok(cpu("asked for")),
        DeviceRequest::Wgpu(None) => wgpu(&[0], "asked for"),
        DeviceRequest::Wgpu(Some(Adapter::Gpus(indices))) => wgpu(indices.as_slice(), "asked for"),
        DeviceRequest::Wgpu(Some(Adapter::Cpu)) => software(),
        DeviceRequest::Cuda(None) => cuda(&[0], "asked for"),
        DeviceRequest::Cuda(Some(indices)) => cuda(indices.as_slice(), "asked for"),
    }
}

fn automatic() -> Selected {
    cuda(&[0], "the first CUDA device")
        .or_else(|_| wgpu(&[0], "the first GPU that wgpu finds; no CUDA device"))
        .unwrap_or_else(|_| cpu("no GPU found"))
}

fn cpu(reason: &str) -> Selected {
    Selected {
        devices: vec![Device::flex()],
        name: "cpu".to_owned(),
        description: format!("{} threads", threads()),
        reason: reason.to_owned(),
    }
}

fn threads() -> usize {
    rayon::current_num_threads()
}

/// Real GPUs that wgpu reaches; `None` in a binary without wgpu. A software rasterizer has no physical card
/// behind it.
#[cfg(feature = "wgpu")]
#[expect(clippy::unnecessary_wraps, reason = "`None` without the feature")]
fn wgpu_gpus() -> Option<Vec<Device>> {
    let real = |device: &Device| {
        *device != Device::wgpu(DeviceKind::Cpu)
            && device.identity().is_some_and(|id| id.physical.is_some())
    };
    let found = Device::enumerate(DeviceType::Wgpu).into_vec();
    Some(found.into_iter().filter(real).collect())
}

#[cfg(not(feature = "wgpu"))]
fn wgpu_gpus() -> Option<Vec<Device>> {
    None
}

/// Software rasterizers that wgpu reaches, at most one; `None` in a binary without wgpu.
#[cfg(feature = "wgpu")]
#[expect(clippy::unnecessary_wraps, reason = "`None` without the feature")]
fn rasterizers() -> Option<Vec<Device>> {
    let software = |device: &Device| *device == Device::wgpu(DeviceKind::Cpu);
    let found = Device::enumerate(DeviceType::Wgpu).into_vec();
    Some(found.into_iter().filter(software).collect())
}

#[cfg(not(feature = "wgpu"))]
fn rasterizers() -> Option<Vec<Device>> {
    None
}

/// GPUs that CUDA reaches; `None` in a binary without CUDA.
#[cfg(feature = "cuda")]
#[expect(clippy::unnecessary_wraps, reason = "`None` without the feature")]
fn cuda_gpus() -> Option<Vec<Device>> {
    Some(Device::enumerate(DeviceType::Cuda).into_vec())
}

#[cfg(not(feature = "cuda"))]
fn cuda_gpus() -> Option<Vec<Device>> {
    None
}

/// The answer to a request for a kind of device that this binary has no code for.
fn not_built_in(what: &str, feature: &str) -> DeviceError {
    DeviceError {
        message: format!("this binary was built without {what}"),
        help: format!("build with `--features {feature}` (docs/gpu.md), or use `--device cpu`"),
    }
}

fn wgpu(indices: &[usize], reason: &str) -> Result<Selected, DeviceError> {
    let found = wgpu_gpus().ok_or_else(|| not_built_in("wgpu", "wgpu"))?;
    let devices = chosen(&found, indices).map_err(|index| DeviceError {
        message: format!("there is no GPU {index}: wgpu finds {}", found.len()),
        help: "`--device cpu` always works; `--device wgpu:cpu` asks for a software rasterizer"
            .to_owned(),
    })?;
    Ok(described(devices, "wgpu", indices, reason))
}

fn software() -> Result<Selected, DeviceError> {
    let mut found = rasterizers().ok_or_else(|| not_built_in("wgpu", "wgpu"))?;
    let device = found.pop().ok_or_else(|| DeviceError {
        message: "wgpu finds no software rasterizer".to_owned(),
        help: "install one (Debian: `mesa-vulkan-drivers`), or use `--device cpu`".to_owned(),
    })?;
    Ok(Selected {
        description: named(&device),
        devices: vec![device],
        name: "wgpu:cpu".to_owned(),
        reason: "asked for by name".to_owned(),
    })
}

fn cuda(indices: &[usize], reason: &str) -> Result<Selected, DeviceError> {
    #[cfg(all(feature = "cuda", target_os = "linux"))]
    if indices.len() > 1 {
        crate::nccl::make_findable();
    }
    let found = cuda_gpus().ok_or_else(|| not_built_in("CUDA", "cuda"))?;
    let devices = chosen(&found, indices).map_err(|index| DeviceError {
        message: format!("there is no CUDA device {index}: {} found", found.len()),
        help: "`--device cpu` always works".to_owned(),
    })?;
    Ok(described(devices, "cuda", indices, reason))
}

/// The devices of `indices`, or the first index that `found` does not have.
fn chosen(found: &[Device], indices: &[usize]) -> Result<Vec<Device>, usize> {
    let of_index = |index: &usize| found.get(*index).cloned().ok_or(*index);
    indices.iter().map(of_index).collect()
}

fn described(devices: Vec<Device>, kind: &str, indices: &[usize], reason: &str) -> Selected {
    let names: Vec<String> = indices
        .iter()
        .map(|index| format!("{kind}:{index}"))
        .collect();
    let mut descriptions: Vec<String> = devices.iter().map(named).collect();
    descriptions.dedup();
    let count = match devices.len() {
        1 => String::new(),
        count => format!("{count} x "),
    };
    Selected {
        devices,
        name: names.join(" + "),
        description: format!("{count}{}", descriptions.join(", ")),
        reason: reason.to_owned(),
    }
}

fn named(device: &Device) -> String {
    let identity = device.identity();
    identity.map_or_else(|| "unnamed".to_owned(), |identity| identity.name)
}

impl Selected {
    /// The device that evaluates and saves: the first.
    pub fn device(&self) -> &Device {
        &self.devices[0]
    }

    /// Whether this is the CPU backend.
    pub fn is_cpu(&self) -> bool {
        *self.device() == Device::flex()
    }

    /// Memory that a device can still give, in bytes, as far as it tells.
    pub fn free_memory_bytes(&self) -> Option<u64> {
        if self.is_cpu() {
            provenance::available_memory_bytes()
        } else {
            self.device().memory_capacity()
        }
    }

    /// How gradients of several devices are summed, for the screen; `None` for one device. A warning where the
    /// devices have no collective operations between them.
    pub fn transport(&self) -> Option<&'static str> {
        if self.devices.len() == 1 {
            return None;
        }
        let native = fused::reduces_natively(&self.devices);
        #[cfg(all(feature = "cuda", target_os = "linux"))]
        crate::nccl::forget_link();
        Some(if native {
            "gradients are summed by the devices' collective operations (NCCL on CUDA)"
        } else {
            "WARNING: gradients are summed by copies through the first device, which is slow: no NCCL is found \
             (libnccl.so or libnccl.so.2, for example of `pip install nvidia-nccl-cu13`, in LD_LIBRARY_PATH)"
        })
    }

    /// Threads that may work on separate micro-batches and windows. One for each GPU: it is busy with one,
    /// and every thread would get a stream and a memory pool of its own.
    pub fn workers(&self) -> usize {
        if self.is_cpu() {
            threads()
        } else {
            self.devices.len()
        }
    }

    /// One line for the screen.
    pub fn line(&self) -> String {
        let f32 = match (self.is_cpu(), fused::decline_tf32()) {
            (true, _) => "",
            (false, true) => "; f32 is not rounded to TF32",
            (false, false) => "; WARNING: f32 may be rounded to TF32",
        };
        format!(
            "device {} ({}): {}{f32}",
            self.name, self.description, self.reason
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there() {
        let selected = select(&DeviceRequest::Cpu).expect("cpu");
        assert!(selected.is_cpu());
    }

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_that_helps() {
        let error = select(&DeviceRequest::Wgpu(Some(Adapter::Gpus(
            "99".parse().expect("an index"),
        ))))
        .err()
        .expect("no GPU 99");
        assert!(error.message.contains("no GPU 99"), "{}", error.message);
        assert!(error.help.contains("--device cpu"), "{}", error.help);
    }

    #[test]
    fn auto_never_takes_a_software_rasterizer() {
        assert_ne!(*automatic().device(), Device::wgpu(DeviceKind::Cpu));
    }
}
