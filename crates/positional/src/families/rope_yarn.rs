//! `YaRN`: long wavelengths longer by a factor, short ones as they were, and larger logits.

use std::f64::consts::TAU;

use crate::rotary::{FACTOR, ORIGINAL, Rotary, THETA, frequency};
use crate::{AttentionShape, BuildResult, Family, Interval, Parameter, Parameters};

const BETA_FAST: Parameter = Parameter {
    name: "beta_fast",
    default: 32.0,
    unit: "",
    summary: "turns in the original context from which a pair keeps its frequency",
    range: Interval::above(0.0),
};

const BETA_SLOW: Parameter = Parameter {
    name: "beta_slow",
    default: 1.0,
    unit: "",
    summary: "turns in the original context up to which a pair is scaled in full",
    range: Interval::above(0.0),
};

/// Between the pairs that make `beta_fast` and `beta_slow` turns, rounded outwards to whole pairs, the
/// frequency goes linearly in the pair's index from `f` to `f / factor`. Cosines and sines are
/// multiplied by `0.1 ln(factor) + 1`, and so the logits by its square.
pub(super) static FAMILY: Family = Family {
    kind: "rope_yarn",
    summary: "YaRN: low frequencies divided by a factor, high ones kept, logits made larger",
    source: "Peng et al. 2023, arXiv:2309.00071, sections 3.2 to 3.4",
    parameters: &[THETA, FACTOR, BETA_FAST, BETA_SLOW, ORIGINAL],
    build,
};

fn build(parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    let (theta, factor) = (parameters.get(&THETA), parameters.get(&FACTOR));
    let (fast, slow) = (parameters.get(&BETA_FAST), parameters.get(&BETA_SLOW));
    let original = parameters.get(&ORIGINAL);
    let pairs = shape.pairs()?;
    let head_dim = shape.head_dim as f64;
    let pair_of = |turns: f64| head_dim * (original / (turns * TAU)).ln() / (2.0 * theta.ln());
    let first = pair_of(fast).floor().max(0.0);
    let mut last = pair_of(slow).ceil().min(head_dim - 1.0);
    if first >= last {
        last = first + 0.001; // as the authors' code does against a division by zero
    }
    let scaled = |pair| {
        let frequency = frequency(theta, pair, shape.head_dim);
        let share = ((pair as f64 - first) / (last - first)).clamp(0.0, 1.0);
        share * frequency / factor + (1.0 - share) * frequency
    };
    let label = format!("YaRN/{factor} ({fast} to {slow} turns of {original}), θ={theta}");
    let amplitude = 0.1 * factor.ln() + 1.0;
    Rotary::with_amplitude(label, (0..pairs).map(scaled).collect(), amplitude)
}
