//! `ALiBi`: a penalty on the logits that grows with distance.

use std::sync::Arc;

use crate::{AttentionShape, BuildResult, EncodingError, Family, Parameters, PositionalEncoding};

/// Head `h` of `H` adds `-m_h * distance` to its logits, `m_h = 2^(-8h/H)` with `h` from 1 to `H`.
pub(super) static FAMILY: Family = Family {
    kind: "alibi",
    summary: "a bias on the logits, linear in distance, with one fixed slope a head",
    source: "Press et al. 2022 (ICLR), arXiv:2108.12409, section 3",
    parameters: &[],
    build,
};

#[derive(Debug)]
struct Alibi {
    /// `m_h`, logits per token, one a head.
    slopes: Vec<f64>,
}

fn build(_parameters: &Parameters, shape: AttentionShape) -> BuildResult {
    if shape.num_heads == 0 {
        return Err(EncodingError::NoHeads);
    }
    let slopes = slopes(shape.num_heads);
    Ok(Arc::new(Alibi { slopes }))
}

/// Slopes of `heads` heads, at least one.
///
/// The formula is meant for a power of two. For any other number the authors' code takes the
/// slopes of the power of two below, then every other slope of the power of two above.
fn slopes(heads: usize) -> Vec<f64> {
    let below = 1 << heads.ilog2();
    let between = geometric(2 * below).step_by(2);
    geometric(below).chain(between).take(heads).collect()
}

/// `2^(-8h/heads)` for `h` from 1 to `heads`.
fn geometric(heads: usize) -> impl Iterator<Item = f64> {
    (1..=heads).map(move |head| (-8.0 * head as f64 / heads as f64).exp2())
}

impl PositionalEncoding for Alibi {
    fn label(&self) -> String {
        "ALiBi".to_owned()
    }

    fn bias(&self, head: usize, distance: usize) -> Option<f64> {
        Some(-self.slopes[head] * distance as f64)
    }
}
