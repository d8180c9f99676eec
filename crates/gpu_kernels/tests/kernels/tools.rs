//! What the tests share.

use cubecl::features::TypeUsage;
use cubecl::prelude::{CubeElement, Scalar};
use gpu_kernels::{Client, ElemType, Handle};
use half::{bf16, f16};

/// `length` numbers, uniform in `-magnitude..magnitude`, the same for the same seed.
pub fn random(seed: u64, length: usize, magnitude: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0) * magnitude
    };
    (0..length).map(|_| next()).collect()
}

/// `length` numbers below `limit`.
pub fn random_ids(seed: u64, length: usize, limit: usize) -> Vec<i32> {
    random(seed, length, 1.0)
        .into_iter()
        .map(|x| ((f32::midpoint(x, 1.0) * limit as f32) as usize).min(limit - 1) as i32)
        .collect()
}

pub fn double(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

pub const SINGLE: Precision = Precision::Single;

/// What buffers hold.
#[derive(Clone, Copy, Debug)]
pub enum Precision {
    Single,
    Half,
    /// The half precision with the range of single precision.
    Brain,
}

impl Precision {
    pub fn dtype(self) -> ElemType {
        match self {
            Self::Single => f32::elem_type_native(),
            Self::Half => f16::elem_type_native(),
            Self::Brain => bf16::elem_type_native(),
        }
    }

    /// The values as buffers of this precision hold them.
    pub fn rounded(self, values: Vec<f32>) -> Vec<f32> {
        match self {
            Self::Single => values,
            Self::Half => values.iter().map(|&x| f16::from_f32(x).to_f32()).collect(),
            Self::Brain => values.iter().map(|&x| bf16::from_f32(x).to_f32()).collect(),
        }
    }

    /// Largest error of rounding a number around 1, and a bit for what comes before.
    pub fn tolerance(self, single: f64) -> f64 {
        match self {
            Self::Single => single,
            Self::Half => 1e-3,
            Self::Brain => 8e-3,
        }
    }
}

pub fn integers() -> ElemType {
    i32::elem_type_native()
}

/// A device.
pub struct Gpu {
    pub client: Client,
}

impl Gpu {
    pub fn new() -> Self {
        Self {
            client: cubecl::Device::default().client(),
        }
    }

    /// Precisions of buffers that the device can do.
    pub fn precisions(&self) -> Vec<Precision> {
        let can = |precision: &Precision| {
            let uses = self.client.features().type_usage(precision.dtype());
            uses.contains(TypeUsage::Buffer) && uses.contains(TypeUsage::Conversion)
        };
        let halves = [Precision::Half, Precision::Brain];
        let halves = halves.into_iter().filter(can);
        std::iter::once(Precision::Single).chain(halves).collect()
    }

    pub fn up(&self, values: &[f32], precision: Precision) -> Handle {
        match precision {
            Precision::Single => self.client.create_from_slice(f32::as_bytes(values)),
            Precision::Half => {
                let values: Vec<f16> = values.iter().map(|&x| f16::from_f32(x)).collect();
                self.client.create_from_slice(f16::as_bytes(&values))
            }
            Precision::Brain => {
                let values: Vec<bf16> = values.iter().map(|&x| bf16::from_f32(x)).collect();
                self.client.create_from_slice(bf16::as_bytes(&values))
            }
        }
    }

    pub fn single(&self, values: &[f32]) -> Handle {
        self.up(values, SINGLE)
    }

    pub fn ids(&self, ids: &[i32]) -> Handle {
        self.client.create_from_slice(i32::as_bytes(ids))
    }

    pub fn down(&self, buffer: &Handle, precision: Precision) -> Vec<f32> {
        let bytes = self.client.read_one_unchecked(buffer.clone());
        match precision {
            Precision::Single => f32::from_bytes(&bytes).to_vec(),
            Precision::Half => {
                let values = f16::from_bytes(&bytes);
                values.iter().map(|x| x.to_f32()).collect()
            }
            Precision::Brain => {
                let values = bf16::from_bytes(&bytes);
                values.iter().map(|x| x.to_f32()).collect()
            }
        }
    }
}

/// Every difference is at most `tolerance` times the largest expected magnitude.
#[track_caller]
pub fn assert_close(name: &str, actual: &[f32], expected: &[f64], tolerance: f64) {
    let largest = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    assert_within(name, actual, expected, tolerance * largest);
}

/// Every difference is at most `error`.
#[track_caller]
pub fn assert_within(name: &str, actual: &[f32], expected: &[f64], error: f64) {
    assert_eq!(actual.len(), expected.len(), "{name}: length");
    for (i, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(actual) - expected).abs() <= error,
            "{name}[{i}]: {actual:e} instead of {expected:e} up to {error:e}"
        );
    }
}

/// Derivative of `f` at `at` by every element, by central differences.
pub fn differences(at: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let step = 1e-5;
    let moved = |i: usize, by: f64| {
        let mut at = at.to_vec();
        at[i] += by;
        f(&at)
    };
    (0..at.len())
        .map(|i| (moved(i, step) - moved(i, -step)) / (2.0 * step))
        .collect()
}
