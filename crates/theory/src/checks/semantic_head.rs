//! Theorem 6.1: what is alike stays alike only where nothing rotates.

use crate::check::Finding;
use crate::checks::no_pure_rotation;
use crate::number::short;
use crate::{Query, Subject};

/// Logits at `distances` of the unit vector of `pair`, as query and key.
fn logits(subject: &Subject, pair: usize, distances: &[usize]) -> Vec<f64> {
    let mut vector = vec![0.0; subject.head_dim()];
    vector[pair] = 1.0;
    let position = distances.iter().copied().max().unwrap_or(0);
    let query = Query::new(subject.encoding(), 0, &vector, position);
    distances
        .iter()
        .map(|&distance| query.logit(&vector, distance))
        .collect()
}

/// The first distance at which `pair` makes the logit of two equal vectors negative, looked for within two tokens of
/// a quarter turn at `frequency`, and the logit over that at distance 0 half a turn away.
pub fn sign_change(subject: &Subject, pair: usize, frequency: f64) -> Option<(usize, f64)> {
    let quarter = std::f64::consts::FRAC_PI_2 / frequency;
    let around = quarter.floor() as usize;
    let half = (2.0 * quarter).round() as usize;
    let near: Vec<usize> = (around.saturating_sub(2)..=around + 2).collect();
    let distances: Vec<usize> = near.iter().copied().chain([0, half]).collect();
    let values = logits(subject, pair, &distances);
    let (near_values, rest) = values.split_at(near.len());
    let first = near_values.iter().position(|value| *value < 0.0)?;
    let before = near_values[..first].iter().all(|value| *value >= 0.0);
    let starts_positive = near_values[0] >= 0.0 || near[0] == 0;
    (before && starts_positive && (first > 0 || near[0] == 0))
        .then(|| (near[first], rest[1] / rest[0]))
}

pub(super) fn find_rotated(subject: &Subject) -> Finding {
    /// Positions beyond are not exact enough in `f64` to find the token of a quarter turn.
    const LONGEST: f64 = 1e12;
    if let Some(finding) = no_pure_rotation(subject) {
        return finding;
    }
    let Some((pair, frequency)) = slowest(subject) else {
        return Finding::not_applicable("nothing rotates");
    };
    let quarter = std::f64::consts::FRAC_PI_2 / frequency;
    if quarter > LONGEST {
        return Finding::not_applicable(format!("a quarter turn is {} tokens", short(quarter)));
    }
    let beyond = if quarter < subject.last() as f64 {
        "within"
    } else {
        "beyond"
    };
    match sign_change(subject, pair, frequency) {
        Some((first, half)) => Finding::of(
            half < 0.0 || quarter < 1.0,
            format!(
                "the slowest pair ({pair}) is negative from {first} tokens on, {} of its start half a turn away: {beyond} the context of {}",
                short(half),
                subject.context()
            ),
        ),
        None => Finding::of(
            false,
            format!(
                "the slowest pair ({pair}) does not become negative at its quarter turn, {} tokens",
                short(quarter)
            ),
        ),
    }
}

pub(super) fn find_unrotated(subject: &Subject) -> Finding {
    /// Distances that are looked at, spread over the context.
    const LOOKS: usize = 1000;
    let encoding = subject.encoding();
    let Some(spectrum) = encoding.spectrum() else {
        return Finding::not_applicable("no pairs");
    };
    if encoding.has_bias() {
        return Finding::not_applicable("a bias is added to the logits");
    }
    let frequencies = spectrum.frequencies();
    let still: Vec<usize> = (0..frequencies.len())
        .filter(|&pair| frequencies[pair] == 0.0)
        .collect();
    let Some(&pair) = still.last() else {
        return Finding::not_applicable("every pair rotates");
    };
    let step = subject.context().div_ceil(LOOKS);
    let distances: Vec<usize> = (0..subject.context()).step_by(step).collect();
    let values = logits(subject, pair, &distances);
    let same = values
        .iter()
        .all(|value| value.to_bits() == values[0].to_bits());
    Finding::of(
        same,
        format!(
            "{} pairs stand still; pair {pair} has {} logits at {} distances up to {}",
            still.len(),
            if same { "identical" } else { "different" },
            distances.len(),
            subject.last()
        ),
    )
}

/// The rotating pair of lowest frequency.
fn slowest(subject: &Subject) -> Option<(usize, f64)> {
    let pairs = subject
        .rotation()?
        .frequencies()
        .iter()
        .copied()
        .enumerate();
    pairs
        .filter(|(_, g)| *g > 0.0)
        .reduce(|least, pair| if pair.1 < least.1 { pair } else { least })
}
