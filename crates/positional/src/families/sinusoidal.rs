//! Sinusoidal: sines and cosines added to the embeddings.

use std::sync::Arc;

use crate::rotary::{THETA, frequency};
use crate::{AttentionShape, BuildResult, Family, Parameters, PositionalEncoding};

/// Coordinates `2i` and `2i + 1` of the vector added at position `n` are the sine and the cosine
/// of `n * theta^(-2i/hidden_size)`.
pub(super) static FAMILY: Family = Family {
    kind: "sinusoidal",
    summary: "sines and cosines of geometric frequencies added to the embeddings",
    source: "Vaswani et al. 2017 (NeurIPS), arXiv:1706.03762, section 3.5",
    parameters: &[THETA],
    build,
};

#[derive(Debug)]
struct Sinusoidal {
    theta: f64,
    /// `hidden_size/2`, radians per token.
    frequencies: Vec<f64>,
}

fn build(parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    let theta = parameters.get(&THETA);
    let frequencies = (0..shape.hidden_pairs()?)
        .map(|pair| frequency(theta, pair, shape.hidden_size))
        .collect();
    Ok(Arc::new(Sinusoidal { theta, frequencies }))
}

impl PositionalEncoding for Sinusoidal {
    fn label(&self) -> String {
        format!("Sinusoidal, θ={}", self.theta)
    }

    fn absolute(&self, position: usize) -> Option<Vec<f64>> {
        let angles = self.frequencies.iter().map(|f| f * position as f64);
        Some(angles.flat_map(|a| [a.sin(), a.cos()]).collect())
    }
}
