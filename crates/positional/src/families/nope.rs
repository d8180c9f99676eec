//! `NoPE`: no positional encoding at all.

use crate::rotary::Rotary;
use crate::{AttentionShape, BuildResult, Family, Parameters};

/// Every frequency is zero. A spectrum of zeros, not the absence of one, so that a run without
/// positions takes the same path and costs the same as every other rotary run.
pub(super) static FAMILY: Family = Family {
    kind: "nope",
    summary: "no positional encoding: only the causal mask tells order",
    source: "Kazemnejad et al. 2023 (NeurIPS), arXiv:2305.19466",
    parameters: &[],
    build,
};

fn build(_parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    Rotary::build("NoPE".to_owned(), vec![0.0; shape.pairs()?])
}
