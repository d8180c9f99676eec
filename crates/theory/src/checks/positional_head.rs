//! Theorem 5.3: diagonal and previous-token heads by rotation, and which pairs make them cheaply.

use crate::check::Finding;
use crate::checks::no_pure_rotation;
use crate::number::short;
use crate::{Query, Subject, softmax};

/// What the head is to attend to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The token itself.
    Diagonal,
    /// The token before.
    PreviousToken,
}

/// 1 - ε: how much of its attention.
const WEIGHT: f64 = 0.99;

/// Norms beyond this are none: `f64` cannot carry such logits.
const LARGEST: f64 = 1e14;

/// The squared norm of query and key, equal and spread equally over pairs of these frequencies, at which the last
/// token of the context gives the pattern's token the weight 0.99. Logits are not divided by √d. `None`: no
/// norm up to 1e14 does.
///
/// With ψ as query and key, `distance` tokens from the target the logit falls short of the target's by
/// `‖ψ‖²` times the mean of `1 - cos(distance g)`.
pub fn needed_norm(frequencies: &[f64], context: usize, pattern: Pattern) -> Option<f64> {
    let mut gaps: Vec<f64> = (1..context).map(|n| gap(frequencies, n)).collect();
    if pattern == Pattern::PreviousToken {
        // The token itself is one from the target, on the other side; the first token is one nearer.
        gaps.pop();
        gaps.push(gap(frequencies, 1));
    }
    let enough = |norm: f64| {
        let others: f64 = gaps.iter().map(|gap| (-norm * gap).exp()).sum();
        1.0 / (1.0 + others) >= WEIGHT
    };
    let (mut low, mut high) = (0.0, 1.0);
    while !enough(high) {
        (low, high) = (high, 2.0 * high);
        if high > LARGEST {
            return None;
        }
    }
    while high - low > 1e-9 * high {
        let middle = f64::midpoint(low, high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// Mean of `1 - cos(distance g)`, without the rounding of a difference from 1.
fn gap(frequencies: &[f64], distance: usize) -> f64 {
    let sum: f64 = frequencies
        .iter()
        .map(|g| 2.0 * (g * distance as f64 / 2.0).sin().powi(2))
        .sum();
    sum / frequencies.len() as f64
}

/// The weight that the pattern's token gets from the last token, with vectors of this squared norm spread over all
/// rotating pairs: the head itself, rotated and put through the softmax.
fn realised(subject: &Subject, pattern: Pattern, norm: f64) -> Option<f64> {
    let spectrum = subject.rotation()?;
    let size = (norm / spectrum.num_rotated() as f64).sqrt() / spectrum.amplitude();
    let mut vector = vec![0.0; subject.head_dim()];
    for (x, &g) in vector.iter_mut().zip(spectrum.frequencies()) {
        *x = if g > 0.0 { size } else { 0.0 };
    }
    let (key, target) = match pattern {
        Pattern::Diagonal => (vector.clone(), 0),
        Pattern::PreviousToken => (spectrum.rotate(&vector, 1), 1),
    };
    let key: Vec<f64> = match pattern {
        Pattern::Diagonal => key,
        // `rotate` multiplies by the amplitude, which belongs to the position and not to the key.
        Pattern::PreviousToken => key.iter().map(|x| x / spectrum.amplitude()).collect(),
    };
    let query = Query::new(subject.encoding(), 0, &vector, subject.last());
    let logits: Vec<f64> = (0..subject.context())
        .map(|distance| query.product(&key, distance))
        .collect();
    softmax(&logits).get(target).copied()
}

pub(super) fn find(subject: &Subject) -> Finding {
    if let Some(finding) = no_pure_rotation(subject) {
        return finding;
    }
    let rotating = rotating(subject);
    let (mut parts, mut holds) = (Vec::new(), true);
    for (name, pattern) in [
        ("itself", Pattern::Diagonal),
        ("the previous token", Pattern::PreviousToken),
    ] {
        let norm = needed_norm(&rotating, subject.context(), pattern);
        let weight = norm.and_then(|norm| realised(subject, pattern, norm));
        holds &= weight.is_some_and(|weight| weight > WEIGHT - 1e-4);
        parts.push(match (norm, weight) {
            (Some(norm), Some(weight)) => {
                format!("{name} gets {weight:.4} at ‖ψ‖² = {}", short(norm))
            }
            _ => format!("{name}: no norm up to {LARGEST:.0e}"),
        });
    }
    Finding::of(holds, parts.join("; "))
}

pub(super) fn find_cheapest(subject: &Subject) -> Finding {
    if let Some(finding) = no_pure_rotation(subject) {
        return finding;
    }
    let rotating = rotating(subject);
    let quarter = rotating.len() / 4;
    let norm = |set: &[f64]| needed_norm(set, subject.context(), Pattern::Diagonal);
    if quarter < 2 {
        return Finding::not_applicable(format!(
            "a quarter of {} pairs is not two; the fastest pair alone needs ‖ψ‖² = {}, because its angle nearly returns",
            rotating.len(),
            shown(norm(&rotating[..1]))
        ));
    }
    let norms = [
        norm(&rotating[..quarter]),
        norm(&rotating),
        norm(&rotating[rotating.len() - quarter..]),
    ];
    let order = norms.map(|norm| norm.unwrap_or(f64::INFINITY));
    Finding::of(
        order[0] < order[2],
        format!(
            "‖ψ‖² for the weight 0.99: fastest {quarter} pairs {}, all {} rotating {}, slowest {quarter} {}; the fastest alone {}",
            shown(norms[0]),
            rotating.len(),
            shown(norms[1]),
            shown(norms[2]),
            shown(norm(&rotating[..1]))
        ),
    )
}

fn shown(norm: Option<f64>) -> String {
    norm.map_or_else(|| format!("above {LARGEST:.0e}"), short)
}

/// The frequencies that rotate, in the order of the pairs: families list them from high to low.
fn rotating(subject: &Subject) -> Vec<f64> {
    let spectrum = subject.rotation();
    let all = spectrum.map_or(&[][..], |spectrum| spectrum.frequencies());
    all.iter().copied().filter(|&g| g > 0.0).collect()
}
