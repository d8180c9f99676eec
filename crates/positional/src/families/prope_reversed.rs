//! Reversed p-RoPE: only the lowest frequencies rotate.

use crate::rotary::{FRACTION, Rotary, THETA, frequency, rotated_pairs};
use crate::{AttentionShape, BuildResult, Family, Parameters};

/// The last `r = int(p * head_dim // 2)` pairs turn as in `RoPE`; the first, fastest ones do not.
pub(super) static FAMILY: Family = Family {
    kind: "prope_reversed",
    summary: "control for p-RoPE: sets the highest frequencies of RoPE to zero instead",
    source: "Barbero et al. 2025 (ICLR), arXiv:2410.06205, table 2",
    parameters: &[THETA, FRACTION],
    build,
};

fn build(parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    let (theta, fraction) = (parameters.get(&THETA), parameters.get(&FRACTION));
    let mut frequencies = vec![0.0; shape.pairs()?];
    let still = frequencies.len() - rotated_pairs(fraction, frequencies.len());
    for (pair, slot) in frequencies.iter_mut().enumerate().skip(still) {
        *slot = frequency(theta, pair, shape.head_dim);
    }
    let label = format!("{fraction}-RoPE reversed, θ={theta}");
    Rotary::build(label, frequencies)
}
