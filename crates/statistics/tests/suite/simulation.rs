//! Crossed data with a known effect.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use statistics::Paired;

/// Standard deviations of the parts of a difference, in nats per token.
#[derive(Clone, Copy)]
pub struct Spread {
    pub seeds: f64,
    pub documents: f64,
    pub pairs: f64,
}

/// Differences `effect` + aₛ + bⱼ + eₛⱼ in nats per token, all parts normal, times the tokens of the
/// document, which vary between documents by a factor of up to three.
pub struct Simulation {
    rng: ChaCha8Rng,
}

impl Simulation {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    pub fn paired(
        &mut self,
        [seeds, documents]: [usize; 2],
        effect: f64,
        spread: Spread,
    ) -> Paired {
        let tokens: Vec<usize> = (0..documents)
            .map(|_| 1000 + (self.unit() * 2000.0) as usize)
            .collect();
        let of_documents: Vec<f64> = (0..documents)
            .map(|_| spread.documents * self.normal())
            .collect();
        let differences = (0..seeds)
            .map(|_| {
                let of_seed = spread.seeds * self.normal();
                tokens
                    .iter()
                    .zip(&of_documents)
                    .map(|(tokens, of_document)| {
                        let of_pair = spread.pairs * self.normal();
                        (effect + of_seed + of_document + of_pair) * *tokens as f64
                    })
                    .collect()
            })
            .collect();
        Paired::new(differences, &tokens).expect("shapes agree")
    }

    /// A standard normal by the Box-Muller transform.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    fn unit(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}
