//! Initial weights: drawn on the host, so that every device starts from the same numbers, or read.

use std::cell::RefCell;

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Makes named parameters. Drawn ones have a stream each, keyed by (seed, name): adding a layer or an
/// encoding's parameter leaves all others as they were, which keeps variants of an ablation paired.
pub(crate) struct Initializer<'a> {
    pub values: Values<'a>,
    pub device: &'a Device,
}

/// Where the values of parameters come from.
pub(crate) enum Values<'a> {
    /// Random numbers of this seed.
    Drawn(u64),
    /// Read by name and shape, row-major; `None` once reading has failed, which its owner remembers.
    Read(RefCell<&'a mut Read<'a>>),
}

/// See [`Values::Read`].
pub(crate) type Read<'a> = dyn FnMut(&str, &[usize]) -> Option<Vec<f32>> + 'a;

impl Initializer<'_> {
    /// A matrix of independent normals with mean 0 and standard deviation `std`, cut at three of them.
    pub fn normal(&self, name: &str, shape: [usize; 2], std: f64) -> Param<Tensor<2>> {
        self.parameter(name, shape, |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ fnv1a(name.as_bytes()));
            (0..shape[0] * shape[1])
                .map(|_| (truncated_normal(&mut rng) * std) as f32)
                .collect()
        })
    }

    /// A vector of `value`.
    pub fn constant(&self, name: &str, length: usize, value: f32) -> Param<Tensor<1>> {
        self.parameter(name, [length], |_| vec![value; length])
    }

    fn parameter<const R: usize>(
        &self,
        name: &str,
        shape: [usize; R],
        draw: impl FnOnce(u64) -> Vec<f32>,
    ) -> Param<Tensor<R>> {
        let values = match &self.values {
            Values::Drawn(seed) => Some(draw(*seed)),
            Values::Read(read) => (read.borrow_mut())(name, &shape),
        };
        let data = match values {
            Some(values) => TensorData::new(values, shape),
            // Nobody will see the decoder: not worth the memory of its shape.
            None => TensorData::new(vec![0.0f32], [1; R]),
        };
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
