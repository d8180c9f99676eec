//! `NoPE` with logits that grow with the logarithm of the context.

use std::sync::Arc;

use crate::{
    AttentionShape, BuildResult, Family, Interval, Parameter, Parameters, PositionalEncoding,
    Spectrum,
};

const REFERENCE_LENGTH: Parameter = Parameter {
    name: "reference_length",
    default: 512.0,
    unit: "tokens",
    summary: "context up to which nothing is scaled, usually the training length",
    range: Interval::at_least(2.0),
};

/// The query at 0-based position `i`, which sees `n = i + 1` keys, is multiplied by
/// `max(1, ln n / ln reference_length)`.
///
/// Chiang and Cholak multiply every logit by `ln n`, `n` the length of the string. Dividing by `ln reference_length` makes the
/// factor 1 at that length, and the maximum leaves shorter contexts alone, as Qwen's `logn`
/// attention does.
pub(super) static FAMILY: Family = Family {
    kind: "nope_scaled",
    summary: "NoPE with log-length scaling, so that attention stays sharp in longer contexts",
    source: "Chiang and Cholak 2022 (ACL), arXiv:2202.12172; clamped as in Qwen, arXiv:2309.16609",
    parameters: &[REFERENCE_LENGTH],
    build,
};

#[derive(Debug)]
struct NopeScaled {
    spectrum: Spectrum,
    reference_length: f64,
}

fn build(parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    Ok(Arc::new(NopeScaled {
        spectrum: Spectrum::new(vec![0.0; shape.pairs()?], 1.0)?,
        reference_length: parameters.get(&REFERENCE_LENGTH),
    }))
}

impl PositionalEncoding for NopeScaled {
    fn label(&self) -> String {
        format!("NoPE, log-length scale from {}", self.reference_length)
    }

    fn spectrum(&self) -> Option<&Spectrum> {
        Some(&self.spectrum)
    }

    fn logit_scale(&self, position: usize) -> f64 {
        let visible = position as f64 + 1.0;
        (visible.ln() / self.reference_length.ln()).max(1.0)
    }

    fn scales_logits(&self) -> bool {
        true
    }
}
