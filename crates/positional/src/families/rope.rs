//! `RoPE`: every pair rotates.

use crate::rotary::{Rotary, THETA, frequency};
use crate::{AttentionShape, BuildResult, Family, Parameters};

/// Pair `i` of `h = head_dim/2` turns by `theta^(-2i/head_dim)` radians per token.
pub(super) static FAMILY: Family = Family {
    kind: "rope",
    summary: "rotary encoding: every pair of coordinates rotates",
    source: "Su et al. 2021, RoFormer, arXiv:2104.09864, section 3.2.2",
    parameters: &[THETA],
    build,
};

fn build(parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    let theta = parameters.get(&THETA);
    let frequencies = (0..shape.pairs()?)
        .map(|pair| frequency(theta, pair, shape.head_dim))
        .collect();
    Rotary::build(format!("RoPE, θ={theta}"), frequencies)
}
