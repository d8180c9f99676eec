//! Definition 5.1 and Proposition 5.2: what a head without positions cannot do.

use crate::attention::dot;
use crate::check::Finding;
use crate::number::short;
use crate::{Gaussian, Query, Subject, softmax};

const SEED: u64 = 52;

/// Random weights that are tried.
const TRIES: u64 = 100;

/// Attention of the last token of `[bos, x, x]` to `[bos, x, x]` in the first layer: embeddings and projections are
/// random normals of this seed, as wide as the head, and 1/√width makes logits of order one.
pub fn positionless(subject: &Subject, seed: u64) -> [f64; 3] {
    let size = subject.head_dim();
    let mut gaussian = Gaussian::new(seed);
    let tokens = [gaussian.vector(size), gaussian.vector(size)];
    let mut projected = |token: &[f64]| -> Vec<f64> {
        let scale = (size as f64).sqrt();
        (0..size)
            .map(|_| dot(&gaussian.vector(size), token) / scale)
            .collect()
    };
    let query = projected(&tokens[1]);
    // One matrix for both keys, so the seed's stream is read once for each row.
    let mut keys = [Vec::new(), Vec::new()];
    for _ in 0..size {
        let row = gaussian.vector(size);
        for (key, token) in keys.iter_mut().zip(&tokens) {
            key.push(dot(&row, token) / (size as f64).sqrt());
        }
    }
    let query = Query::new(subject.encoding(), 0, &query, 2);
    let logits = [
        query.logit(&keys[0], 2),
        query.logit(&keys[1], 1),
        query.logit(&keys[1], 0),
    ];
    let weights = softmax(&logits);
    [weights[0], weights[1], weights[2]]
}

pub(super) fn find(subject: &Subject) -> Finding {
    let encoding = subject.encoding();
    let rows: Vec<[f64; 3]> = (0..TRIES)
        .map(|seed| positionless(subject, SEED + seed))
        .collect();
    let apart = rows.iter().map(|row| (row[2] - row[1]).abs());
    let apart = apart.fold(0.0, f64::max);
    let largest = rows.iter().map(|row| row[2]).fold(0.0, f64::max);
    if encoding.has_absolute() {
        return Finding::not_applicable("positions are in the embeddings");
    }
    if subject.rotation().is_some() || encoding.has_bias() {
        return Finding::not_applicable(format!(
            "it has positions: here the two weights differ by up to {}",
            short(apart)
        ));
    }
    Finding::of(
        apart == 0.0 && largest < 0.5,
        format!(
            "weights of the two x differ by {}, the largest is {largest:.6} ({TRIES} random heads)",
            short(apart)
        ),
    )
}
