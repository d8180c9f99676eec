//! `[run]`: where, not what. The device's own arithmetic is all that can show in a result.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `[run]` with every value explicit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Folder that run directories are made in, relative to the working directory.
    pub directory: PathBuf,
    /// Where to compute.
    pub device: DeviceRequest,
}

/// The device that was asked for. Whether it exists is found out when the run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceRequest {
    /// The best there is: CUDA, else a GPU through wgpu, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A graphics adapter through wgpu; `None`: its default.
    Wgpu(Option<Adapter>),
    /// A CUDA device by its index; `None`: the first.
    Cuda(Option<usize>),
}

/// A wgpu adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// By its 0-based index.
    Index(usize),
    /// A software adapter on the CPU (Mesa's llvmpipe and the like).
    Cpu,
}

impl FromStr for DeviceRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, adapter) = match text.split_once(':') {
            Some((name, adapter)) => (name, Some(adapter)),
            None => (text, None),
        };
        let index = || -> Result<Option<usize>, String> {
            adapter.map(str::parse).transpose().map_err(|_| wrong(text))
        };
        match (name, adapter) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("wgpu", Some("cpu")) => Ok(Self::Wgpu(Some(Adapter::Cpu))),
            ("wgpu", _) => Ok(Self::Wgpu(index()?.map(Adapter::Index))),
            ("cuda", _) => Ok(Self::Cuda(index()?)),
            _ => Err(wrong(text)),
        }
    }
}

fn wrong(text: &str) -> String {
    format!(
        "`{text}` is not a device; write auto, cpu, wgpu, wgpu:N, wgpu:cpu, cuda or cuda:N, N counted from 0"
    )
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Wgpu(None) => f.write_str("wgpu"),
            Self::Wgpu(Some(Adapter::Index(index))) => write!(f, "wgpu:{index}"),
            Self::Wgpu(Some(Adapter::Cpu)) => f.write_str("wgpu:cpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(index)) => write!(f, "cuda:{index}"),
        }
    }
}

impl TryFrom<String> for DeviceRequest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DeviceRequest> for String {
    fn from(device: DeviceRequest) -> Self {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [
            "auto", "cpu", "wgpu", "wgpu:0", "wgpu:12", "wgpu:cpu", "cuda", "cuda:3",
        ] {
            let device: DeviceRequest = text.parse().expect(text);
            assert_eq!(device.to_string(), text);
        }
        assert_eq!("cuda:3".parse(), Ok(DeviceRequest::Cuda(Some(3))));
        assert_eq!(
            "wgpu:cpu".parse(),
            Ok(DeviceRequest::Wgpu(Some(Adapter::Cpu)))
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cuda:cpu", "cpu:0", "auto:1", "wgpu:",
        ] {
            let error = text.parse::<DeviceRequest>().expect_err(text);
            assert!(
                error.contains(&format!("`{text}` is not a device")),
                "{error}"
            );
        }
    }
}
