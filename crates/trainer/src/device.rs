//! Which device a run uses, and why.

use burn::tensor::{Device, DeviceKind, DeviceType};
use decoder::{Kernels, fused_attention_is_right};
use experiment::{Adapter, DeviceRequest};
use thiserror::Error;

use crate::screen;

/// A device with the words that describe the choice.
pub struct Selected {
    /// The device, without autodiff.
    pub device: Device,
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
/// software rasterizer only when asked for by name (`wgpu:cpu`).
///
/// # Errors
/// If the device is not compiled in or not there.
pub fn select(request: &DeviceRequest) -> Result<Selected, DeviceError> {
    match request {
        DeviceRequest::Auto => Ok(automatic()),
        DeviceRequest::Cpu => Ok(cpu("asked for")),
        DeviceRequest::Wgpu(None) => wgpu(0, "asked for"),
        DeviceRequest::Wgpu(Some(Adapter::Index(index))) => wgpu(*index, "asked for"),
        DeviceRequest::Wgpu(Some(Adapter::Cpu)) => software(),
        DeviceRequest::Cuda(index) => cuda(index.unwrap_or(0), "asked for"),
    }
}

fn automatic() -> Selected {
    cuda(0, "the first CUDA device")
        .or_else(|_| wgpu(0, "the first GPU that wgpu finds; no CUDA device"))
        .unwrap_or_else(|_| cpu("no GPU found"))
}

fn cpu(reason: &str) -> Selected {
    Selected {
        device: Device::flex(),
        name: "cpu".to_owned(),
        description: format!("{} threads", threads()),
        reason: reason.to_owned(),
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Real GPUs that wgpu reaches. A software rasterizer has no physical card behind it.
fn wgpu_gpus() -> Vec<Device> {
    Device::enumerate(DeviceType::Wgpu)
        .into_vec()
        .into_iter()
        .filter(|device| *device != Device::wgpu(DeviceKind::Cpu))
        .filter(|device| device.identity().is_some_and(|id| id.physical.is_some()))
        .collect()
}

fn wgpu(index: usize, reason: &str) -> Result<Selected, DeviceError> {
    let gpus = wgpu_gpus();
    let count = gpus.len();
    let device = gpus.into_iter().nth(index).ok_or_else(|| DeviceError {
        message: format!("there is no GPU {index}: wgpu finds {count}"),
        help: "`--device cpu` always works; `--device wgpu:cpu` asks for a software rasterizer"
            .to_owned(),
    })?;
    Ok(described(device, format!("wgpu:{index}"), reason))
}

fn software() -> Result<Selected, DeviceError> {
    let device = Device::wgpu(DeviceKind::Cpu);
    let found = Device::enumerate(DeviceType::Wgpu)
        .into_vec()
        .contains(&device);
    if !found {
        return Err(DeviceError {
            message: "wgpu finds no software rasterizer".to_owned(),
            help: "install one (Debian: `mesa-vulkan-drivers`), or use `--device cpu`".to_owned(),
        });
    }
    Ok(described(
        device,
        "wgpu:cpu".to_owned(),
        "asked for by name",
    ))
}

#[cfg(feature = "cuda")]
fn cuda(index: usize, reason: &str) -> Result<Selected, DeviceError> {
    let devices = Device::enumerate(DeviceType::Cuda).into_vec();
    let count = devices.len();
    let device = devices.into_iter().nth(index).ok_or_else(|| DeviceError {
        message: format!("there is no CUDA device {index}: {count} found"),
        help: "`--device cpu` always works".to_owned(),
    })?;
    Ok(described(device, format!("cuda:{index}"), reason))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_index: usize, _reason: &str) -> Result<Selected, DeviceError> {
    Err(DeviceError {
        message: "this binary was built without CUDA".to_owned(),
        help:
            "build with `--features cuda` (docs/gpu.md), or use `--device wgpu` or `--device cpu`"
                .to_owned(),
    })
}

fn described(device: Device, name: String, reason: &str) -> Selected {
    let description = device
        .identity()
        .map_or_else(|| "unnamed".to_owned(), |identity| identity.name);
    Selected {
        device,
        name,
        description,
        reason: reason.to_owned(),
    }
}

impl Selected {
    /// Whether this is the CPU backend.
    pub fn is_cpu(&self) -> bool {
        self.device == Device::flex()
    }

    /// The fastest kernels for training, or the plain ones where the fast ones compute something else;
    /// the screen is told then.
    pub fn kernels(&self) -> Kernels {
        let best = Kernels::best(&self.device);
        if best == Kernels::FusedAttention && !fused_attention_is_right(&self.device) {
            screen::note(format_args!(
                "Burn's fused attention gives wrong gradients on this device: training with plain operations"
            ));
            return Kernels::Plain;
        }
        best
    }

    /// Threads that may work on separate micro-batches and windows. One on a GPU: it is busy with one,
    /// and every thread would get a stream and a memory pool of its own.
    pub fn workers(&self) -> usize {
        if self.is_cpu() { threads() } else { 1 }
    }

    /// One line for the screen.
    pub fn line(&self) -> String {
        format!(
            "device {} ({}): {}",
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
        let error = select(&DeviceRequest::Wgpu(Some(Adapter::Index(99))))
            .err()
            .expect("no GPU 99");
        assert!(error.message.contains("no GPU 99"), "{}", error.message);
        assert!(error.help.contains("--device cpu"), "{}", error.help);
    }

    #[test]
    fn auto_never_takes_a_software_rasterizer() {
        assert_ne!(automatic().device, Device::wgpu(DeviceKind::Cpu));
    }
}
