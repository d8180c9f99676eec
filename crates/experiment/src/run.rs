//! `[run]`: where, not what. The device's own arithmetic is all that can show in a result.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::defaults;

/// `[run]` with every value explicit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Folder that run directories are made in, relative to the working directory.
    pub directory: PathBuf,
    /// Where to compute.
    pub device: DeviceRequest,
    /// Whether metrics are written for `TensorBoard` too. Runs from before this key have none.
    #[serde(default = "yes")]
    pub tensorboard: bool,
}

fn yes() -> bool {
    defaults::TENSORBOARD
}

/// The device that was asked for. Whether it exists is found out when the run starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceRequest {
    /// The best there is: CUDA, else a GPU through wgpu, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// Graphics adapters through wgpu; `None`: its default.
    Wgpu(Option<Adapter>),
    /// CUDA devices by their indices; `None`: the first.
    Cuda(Option<Indices>),
}

/// What stands behind `wgpu:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// By their 0-based indices.
    Gpus(Indices),
    /// A software adapter on the CPU (Mesa's llvmpipe and the like).
    Cpu,
}

/// 0-based indices of devices that train together, each once: `2`, `0,2` or, from first to last, `0..3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indices(Vec<usize>);

impl Indices {
    /// The indices, at least one, in the order they were written.
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }
}

impl FromStr for Indices {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |text: &str| text.parse::<usize>().map_err(drop);
        let indices: Vec<usize> = match text.split_once("..") {
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if last.saturating_sub(first) >= Self::MOST {
                    return Err(());
                }
                (first..=last).collect()
            }
            None => text.split(',').map(number).collect::<Result<_, ()>>()?,
        };
        let distinct = (1..indices.len()).all(|i| !indices[..i].contains(&indices[i]));
        let fits = !indices.is_empty() && indices.len() <= Self::MOST;
        (fits && distinct).then_some(Self(indices)).ok_or(())
    }
}

impl Indices {
    /// More than any machine has: a slip of the finger is not a request for a billion devices.
    const MOST: usize = 1024;
}

impl fmt::Display for Indices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.0[0], self.0[self.0.len() - 1]);
        if self.0.len() > 1 && self.0.iter().copied().eq(first..=last) {
            return write!(f, "{first}..{last}");
        }
        let texts: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&texts.join(","))
    }
}

impl FromStr for DeviceRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, adapter) = match text.split_once(':') {
            Some((name, adapter)) => (name, Some(adapter)),
            None => (text, None),
        };
        let indices = || -> Result<Option<Indices>, String> {
            adapter
                .map(str::parse)
                .transpose()
                .map_err(|()| wrong(text))
        };
        match (name, adapter) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("wgpu", Some("cpu")) => Ok(Self::Wgpu(Some(Adapter::Cpu))),
            ("wgpu", _) => Ok(Self::Wgpu(indices()?.map(Adapter::Gpus))),
            ("cuda", _) => Ok(Self::Cuda(indices()?)),
            _ => Err(wrong(text)),
        }
    }
}

fn wrong(text: &str) -> String {
    format!(
        "`{text}` is not a device; write auto, cpu, wgpu, wgpu:N, wgpu:cpu, cuda or cuda:N, N counted from 0; \
         several train together as cuda:0,2 or cuda:0..3 (first to last)"
    )
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Wgpu(None) => f.write_str("wgpu"),
            Self::Wgpu(Some(Adapter::Gpus(indices))) => write!(f, "wgpu:{indices}"),
            Self::Wgpu(Some(Adapter::Cpu)) => f.write_str("wgpu:cpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(indices)) => write!(f, "cuda:{indices}"),
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
            "auto",
            "cpu",
            "wgpu",
            "wgpu:0",
            "wgpu:12",
            "wgpu:cpu",
            "cuda",
            "cuda:3",
            "cuda:0..3",
            "cuda:0,2",
            "wgpu:1,0",
        ] {
            let device: DeviceRequest = text.parse().expect(text);
            assert_eq!(device.to_string(), text);
        }
        let indices = |text: &str| match text.parse() {
            Ok(DeviceRequest::Cuda(Some(indices))) => indices.as_slice().to_vec(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(indices("cuda:3"), [3]);
        assert_eq!(indices("cuda:1..3"), [1, 2, 3]);
        assert_eq!(indices("cuda:2,0"), [2, 0]);
        assert_eq!(indices("cuda:5..5"), [5]);
        assert_eq!(
            "wgpu:cpu".parse(),
            Ok(DeviceRequest::Wgpu(Some(Adapter::Cpu)))
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "gpu",
            "CUDA",
            "cuda:",
            "cuda:-1",
            "cuda:x",
            "cuda:cpu",
            "cpu:0",
            "auto:1",
            "wgpu:",
            "cuda:1,1",
            "cuda:3..1",
            "cuda:0..",
            "cuda:0,",
            "cuda:0..99999999999",
        ] {
            let error = text.parse::<DeviceRequest>().expect_err(text);
            assert!(
                error.contains(&format!("`{text}` is not a device")),
                "{error}"
            );
        }
    }
}
