//! Proposition 3.2: no decay of random queries and keys.

use crate::check::Finding;
use crate::number::short;
use crate::{Gaussian, Query, Subject};

const SEED: u64 = 32;

/// Draws at each distance.
const DRAWS: usize = 2000;

const DISTANCES: [usize; 4] = [0, 1, 100, 5000];

/// Mean and standard deviation of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The mean.
    pub mean: f64,
    /// Standard deviation of one draw.
    pub deviation: f64,
    /// The mean over its standard error.
    pub z: f64,
}

/// Moments of the product of queries and keys that `draw` gives, so far apart.
pub fn moments(
    subject: &Subject,
    distance: usize,
    draws: usize,
    mut draw: impl FnMut() -> (Vec<f64>, Vec<f64>),
) -> Moments {
    let products: Vec<f64> = (0..draws)
        .map(|_| {
            let (query, key) = draw();
            let position = subject.last().max(distance);
            Query::new(subject.encoding(), 0, &query, position).product(&key, distance)
        })
        .collect();
    let count = products.len() as f64;
    let mean = products.iter().sum::<f64>() / count;
    let squares: f64 = products.iter().map(|p| (p - mean).powi(2)).sum();
    let deviation = (squares / (count - 1.0)).sqrt();
    Moments {
        mean,
        deviation,
        z: mean / (deviation / count.sqrt()),
    }
}

pub(super) fn find(subject: &Subject) -> Finding {
    let encoding = subject.encoding();
    let Some(spectrum) = encoding.spectrum() else {
        return Finding::not_applicable("nothing rotates");
    };
    if encoding.has_bias() {
        return Finding::not_applicable("a bias is added to the logits");
    }
    let mut gaussian = Gaussian::new(SEED);
    let size = subject.head_dim();
    let found = DISTANCES.map(|distance| {
        moments(subject, distance, DRAWS, || {
            (gaussian.vector(size), gaussian.vector(size))
        })
    });
    let worst = found.iter().map(|m| m.z.abs()).fold(0.0, f64::max);
    let mut spreads = [0.0; DISTANCES.len()];
    for ((spread, found), distance) in spreads.iter_mut().zip(&found).zip(DISTANCES) {
        let scale = encoding.logit_scale(subject.last().max(distance));
        let expected = (size as f64).sqrt() * scale * spectrum.amplitude().powi(2);
        *spread = found.deviation / expected;
    }
    let least = spreads.iter().copied().fold(f64::INFINITY, f64::min);
    let most = spreads.iter().copied().fold(0.0, f64::max);
    // Two coordinates have heavy tails: the spread of their spread is 5% at 2000 draws.
    let holds = worst < 4.0 && least > 0.85 && most < 1.15;
    Finding::of(
        holds,
        format!(
            "at 0, 1, 100, 5000 tokens: mean within {} standard errors of 0, spread {} to {} √d ({DRAWS} draws each)",
            short(worst),
            short(least),
            short(most)
        ),
    )
}
