//! Proposition 3.1: a key can be made for any distance.

use crate::attention::dot;
use crate::check::Finding;
use crate::checks::no_pure_rotation;
use crate::number::short;
use crate::{Gaussian, Query, Subject};

const SEED: u64 = 31;

/// Where a key has its largest logit, and where its second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Maximum {
    /// Distance of the largest product.
    pub distance: usize,
    /// Distance of the second largest.
    pub runner_up: usize,
    /// The largest product minus the second.
    pub gap: f64,
}

/// The largest and the second largest product of `query` with `key` over all distances of the context.
pub fn maximum(subject: &Subject, query: &[f64], key: &[f64]) -> Maximum {
    let query = Query::new(subject.encoding(), 0, query, subject.last());
    let (mut first, mut second) = ((0, f64::NEG_INFINITY), (0, f64::NEG_INFINITY));
    for distance in 0..subject.context() {
        let value = query.product(key, distance);
        if value > first.1 {
            (first, second) = ((distance, value), first);
        } else if value > second.1 {
            second = (distance, value);
        }
    }
    Maximum {
        distance: first.0,
        runner_up: second.0,
        gap: first.1 - second.1,
    }
}

pub(super) fn find(subject: &Subject) -> Finding {
    /// Gaps below this, relative to the norm, are rounding.
    const ROUNDING: f64 = 1e-13;
    if let Some(finding) = no_pure_rotation(subject) {
        return finding;
    }
    let Some(spectrum) = subject.rotation() else {
        return Finding::not_applicable("nothing rotates");
    };
    let query = Gaussian::new(SEED).vector(subject.head_dim());
    let norm = dot(&query, &query) * spectrum.amplitude().powi(2);
    let mut distances = vec![1, 100, subject.last() / 2, subject.last()];
    distances.retain(|distance| *distance < subject.context());
    distances.sort_unstable();
    distances.dedup();
    let found: Vec<(usize, Maximum)> = distances
        .iter()
        .map(|&distance| {
            let key = spectrum.rotate(&query, distance);
            (distance, maximum(subject, &query, &key))
        })
        .collect();
    let gaps = found.iter().map(|(_, m)| m.gap / norm);
    let gap = gaps.fold(f64::INFINITY, f64::min);
    if gap < ROUNDING {
        let period = found
            .iter()
            .any(|(d, m)| m.distance.abs_diff(*d) > 1 || m.runner_up.abs_diff(*d) > 1);
        return if period {
            Finding::of(false, "two distances share the largest logit".to_owned())
        } else {
            Finding::not_applicable("frequencies too low to tell neighbours apart in f64")
        };
    }
    let holds = found.iter().all(|(d, m)| m.distance == *d);
    let list: Vec<String> = distances.iter().map(usize::to_string).collect();
    let at: Vec<String> = found.iter().map(|(_, m)| m.distance.to_string()).collect();
    let beside = found.iter().all(|(d, m)| m.runner_up.abs_diff(*d) == 1);
    Finding::of(
        holds,
        format!(
            "keys for {}: largest at {}; {} behind by {} ‖q‖² or more",
            list.join(", "),
            at.join(", "),
            if beside { "a neighbour" } else { "the second" },
            short(gap)
        ),
    )
}
