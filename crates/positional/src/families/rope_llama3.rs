//! Llama 3's scaling: long wavelengths longer by a factor, short ones as they were.

use std::f64::consts::TAU;

use crate::rotary::{FACTOR, ORIGINAL, Rotary, THETA, frequency};
use crate::{AttentionShape, BuildResult, EncodingError, Family, Interval, Parameter, Parameters};

const LOW: Parameter = Parameter {
    name: "low_freq_factor",
    default: 1.0,
    unit: "",
    summary: "pairs with fewer turns than this in the original context are scaled in full",
    range: Interval::above(0.0),
};

const HIGH: Parameter = Parameter {
    name: "high_freq_factor",
    default: 4.0,
    unit: "",
    summary: "pairs with more turns than this in the original context stay; between the two the scaling fades",
    range: Interval::above(0.0),
};

/// A pair of frequency `f` makes `t = f * original / 2π` turns in the original context. With `s` the
/// place of `t` between `low` and `high`, cut to [0, 1], it turns by `(1 - s) f / factor + s f`.
pub(super) static FAMILY: Family = Family {
    kind: "rope_llama3",
    summary: "Llama 3.1's context extension: low frequencies divided by a factor, high ones kept",
    source: "Llama 3.1 (arXiv:2407.21783); Hugging Face transformers, rope_type llama3",
    parameters: &[THETA, FACTOR, LOW, HIGH, ORIGINAL],
    build,
};

fn build(parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    let (theta, factor) = (parameters.get(&THETA), parameters.get(&FACTOR));
    let (low, high) = (parameters.get(&LOW), parameters.get(&HIGH));
    let original = parameters.get(&ORIGINAL);
    if high <= low {
        return Err(EncodingError::OutOfRange {
            kind: FAMILY.kind,
            name: HIGH.name,
            value: high,
            range: Interval::above(low),
        });
    }
    let scaled = |pair| {
        let frequency = frequency(theta, pair, shape.head_dim);
        let turns = frequency * original / TAU;
        if turns > high {
            frequency
        } else {
            let kept = ((turns - low) / (high - low)).max(0.0);
            (1.0 - kept) * frequency / factor + kept * frequency
        }
    };
    let frequencies = (0..shape.pairs()?).map(scaled).collect();
    let label = format!("RoPE llama3/{factor} ({low} to {high} turns of {original}), θ={theta}");
    Rotary::build(label, frequencies)
}
