//! Partial rotary, the GPT-NeoX kind: fewer pairs, the whole range of frequencies.

use crate::rotary::{FRACTION, Rotary, THETA, frequency, rotated_pairs};
use crate::{AttentionShape, BuildResult, Family, Parameters};

/// Pair `i < r` turns by `theta^(-2i/(2r))`: the series is spread over the `2r` rotary coordinates,
/// so the lowest frequencies are kept, unlike in p-RoPE.
///
/// The rotating pairs take slots `0..r` of the half-split layout over the full head, that is
/// coordinates `(i, i + head_dim/2)`. GPT-NeoX itself pairs `(i, i + r)` inside the first `2r`
/// coordinates. The two differ by a fixed permutation of the coordinates of queries and keys:
/// immaterial to training from scratch, necessary to undo when converting weights.
pub(super) static FAMILY: Family = Family {
    kind: "rope_partial",
    summary: "partial rotary (rotary_pct): RoPE's whole range of frequencies on fewer pairs",
    source: "Black et al. 2022, GPT-NeoX-20B, arXiv:2204.06745; Barbero et al. 2025, table 2",
    parameters: &[THETA, FRACTION],
    build,
};

fn build(parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    let (theta, fraction) = (parameters.get(&THETA), parameters.get(&FRACTION));
    let mut frequencies = vec![0.0; shape.pairs()?];
    let rotated = rotated_pairs(fraction, frequencies.len());
    for (pair, slot) in frequencies.iter_mut().enumerate().take(rotated) {
        *slot = frequency(theta, pair, 2 * rotated);
    }
    let label = format!("{fraction}-RoPE partial, θ={theta}");
    Rotary::build(label, frequencies)
}
