//! Initial weights, drawn on the host so that every device starts from the same numbers.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Draws named parameters. Each has a stream of its own, keyed by (seed, name): adding a layer or an
/// encoding's parameter leaves all others as they were, which keeps variants of an ablation paired.
pub(crate) struct Initializer<'a> {
    pub seed: u64,
    pub device: &'a Device,
}

impl Initializer<'_> {
    /// A matrix of independent normals with mean 0 and standard deviation `std`, cut at three of them.
    pub fn normal(&self, name: &str, shape: [usize; 2], std: f64) -> Param<Tensor<2>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ fnv1a(name.as_bytes()));
        let values: Vec<f32> = (0..shape[0] * shape[1])
            .map(|_| (truncated_normal(&mut rng) * std) as f32)
            .collect();
        self.parameter(TensorData::new(values, shape))
    }

    /// A vector of `value`.
    pub fn constant(&self, length: usize, value: f32) -> Param<Tensor<1>> {
        self.parameter(TensorData::new(vec![value; length], [length]))
    }

    fn parameter<const R: usize>(&self, data: TensorData) -> Param<Tensor<R>> {
        Param::initialized(ParamId::new(), leaf(Tensor::from_data(data, self.device)))
    }
}

/// A leaf of the graph where its device records one, else a plain tensor.
pub(crate) fn leaf<const R: usize>(tensor: Tensor<R>) -> Tensor<R> {
    if tensor.is_autodiff() {
        tensor.require_grad()
    } else {
        tensor
    }
}

/// A standard normal by the Box-Muller transform, redrawn outside three standard deviations.
fn truncated_normal(rng: &mut impl RngCore) -> f64 {
    loop {
        // (0, 1]: the logarithm below must stay finite.
        let u = 1.0 - unit(rng);
        let z = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * unit(rng)).cos();
        if z.abs() <= 3.0 {
            return z;
        }
    }
}

/// Uniform in [0, 1) with 53 random bits.
fn unit(rng: &mut impl RngCore) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// 64-bit FNV-1a, a fixed public hash: the streams must not change with the standard library.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
