//! Normal random numbers, the same on every machine.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A seeded stream of independent standard normals, by the Box-Muller transform.
#[derive(Clone, Debug)]
pub struct Gaussian {
    rng: ChaCha8Rng,
}

impl Gaussian {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The next number.
    pub fn draw(&mut self) -> f64 {
        // (0, 1]: the logarithm must stay finite.
        let u = 1.0 - self.unit();
        (-2.0 * u.ln()).sqrt() * (TAU * self.unit()).cos()
    }

    /// The next `length` numbers.
    pub fn vector(&mut self, length: usize) -> Vec<f64> {
        (0..length).map(|_| self.draw()).collect()
    }

    /// Uniform in [0, 1) with 53 random bits.
    fn unit(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}
