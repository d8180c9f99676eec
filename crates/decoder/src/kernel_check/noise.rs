//! Numbers without pattern, the same everywhere: a tile, a head or a row taken for another changes a result.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::precision::Precision;

/// Values of mean 0 and variance 1, of which [`Noise::at`] gives any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    /// Another stream of numbers for each tensor.
    pub stream: u64,
    /// All values are of this format, so that a device that rounds its inputs to it changes nothing.
    pub precision: Precision,
    /// Factor of the values.
    pub scale: f32,
}

impl Noise {
    /// Unit variance, in f32.
    pub fn new(stream: u64) -> Self {
        Self::in_precision(stream, Precision::F32)
    }

    /// Unit variance.
    pub fn in_precision(stream: u64, precision: Precision) -> Self {
        Self {
            stream,
            precision,
            scale: 1.0,
        }
    }

    /// The value at `index`.
    pub fn at(self, index: usize) -> f32 {
        // A uniform distribution on (-sqrt 3, sqrt 3) has variance 1.
        let uniform = (hash(self.stream, index) >> 40) as f32 / (1u64 << 24) as f32;
        let value = (uniform - 0.5) * (2.0 * 3.0f32.sqrt()) * self.scale;
        match self.precision {
            Precision::F32 => value,
            Precision::Bf16 => rounded_to_bf16(value),
        }
    }

    /// The first values, as a tensor of `shape`.
    pub fn tensor<const R: usize>(self, shape: [usize; R], device: &Device) -> Tensor<R> {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|index| self.at(index)).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

/// Integers below `below`, as a tensor of `shape`.
pub(super) fn integers<const R: usize>(
    stream: u64,
    below: usize,
    shape: [usize; R],
    device: &Device,
) -> Tensor<R, Int> {
    let count = shape.iter().product();
    let values: Vec<i32> = (0..count)
        .map(|index| (hash(stream, index) % below as u64) as i32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// `SplitMix64` (Steele, Lea and Flood, 2014), one step from a state that depends on the index.
fn hash(stream: u64, index: usize) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let state = (stream << 40).wrapping_add(index as u64 + 1);
    let mut z = state.wrapping_mul(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// To the nearest number of 8 significant bits, ties to even.
fn rounded_to_bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_mean_0_and_variance_1() {
        let noise = Noise::new(3);
        let values: Vec<f64> = (0..100_000).map(|i| f64::from(noise.at(i))).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let variance = values.iter().map(|x| x * x).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.01, "{variance}");
        assert!((noise.at(7) - Noise::new(4).at(7)).abs() > 1e-3);
    }

    #[test]
    fn rounding_is_to_the_nearest_and_ties_go_to_even() {
        let step = 2.0f32.powi(-7); // between neighbours from 1 to 2
        let cases = [
            (1.0, 1.0),
            (1.0 + 0.4 * step, 1.0),
            (1.0 + 0.5 * step, 1.0),
            (1.0 + 0.6 * step, 1.0 + step),
            (1.0 + 1.5 * step, 1.0 + 2.0 * step),
            (-1.0 - 0.6 * step, -1.0 - step),
        ];
        for (value, rounded) in cases {
            assert!((rounded_to_bf16(value) - rounded).abs() <= 0.0, "{value}");
        }
    }

    #[test]
    fn integers_reach_every_row() {
        let device = Device::flex();
        let ids = integers(1, 5, [1, 200], &device).into_data();
        let mut seen: Vec<i32> = ids.iter::<i32>().collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }
}
