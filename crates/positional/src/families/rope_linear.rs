//! Linear position interpolation: all wavelengths longer by the same factor.

use crate::rotary::{FACTOR, Rotary, THETA, frequency};
use crate::{AttentionShape, BuildResult, Family, Parameters};

/// Pair `i` turns by `theta^(-2i/head_dim) / factor` radians per token: position `n` looks like `n / factor`.
pub(super) static FAMILY: Family = Family {
    kind: "rope_linear",
    summary: "position interpolation: RoPE with every frequency divided by a factor",
    source: "Chen et al. 2023, arXiv:2306.15595; the global layers of Gemma 3",
    parameters: &[THETA, FACTOR],
    build,
};

fn build(parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    let (theta, factor) = (parameters.get(&THETA), parameters.get(&FACTOR));
    let frequencies = (0..shape.pairs()?)
        .map(|pair| frequency(theta, pair, shape.head_dim) / factor)
        .collect();
    Rotary::build(format!("RoPE linear/{factor}, θ={theta}"), frequencies)
}
