//! p-RoPE: only the highest frequencies rotate.

use crate::rotary::{FRACTION, Rotary, THETA, frequency, rotated_pairs};
use crate::{AttentionShape, BuildResult, Family, Parameters};

/// Pair `i < r = int(p * head_dim // 2)` turns by `theta^(-2i/head_dim)`, as in `RoPE`; the rest do
/// not turn. The exponent's denominator stays the full `head_dim`.
pub(super) static FAMILY: Family = Family {
    kind: "prope",
    summary: "p-RoPE: keeps the highest frequencies of RoPE, sets the lowest to zero",
    source: "Barbero et al. 2025 (ICLR), arXiv:2410.06205, section 6",
    parameters: &[THETA, FRACTION],
    build,
};

fn build(parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    let (theta, fraction) = (parameters.get(&THETA), parameters.get(&FRACTION));
    let mut frequencies = vec![0.0; shape.pairs()?];
    let rotated = rotated_pairs(fraction, frequencies.len());
    for (pair, slot) in frequencies.iter_mut().enumerate().take(rotated) {
        *slot = frequency(theta, pair, shape.head_dim);
    }
    Rotary::build(format!("{fraction}-RoPE, θ={theta}"), frequencies)
}
