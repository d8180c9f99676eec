//! Solvers that are blind to position or content reach what `docs/tasks.md` says, and no more.
//! Seeds are fixed, and bounds are four standard deviations or more.

use std::collections::BTreeMap;

use tasks::{Sample, Stream, Task};

use crate::support::{BYTES, SMALL, ids, task};

/// Content ids of [`SMALL`].
const SYMBOLS: f64 = 7.0;

fn samples(task: &Task, count: u64, length: usize) -> Vec<Sample> {
    (0..count)
        .map(|index| task.sample(Stream::Evaluation, 11, index, length))
        .collect::<Result<_, _>>()
        .expect("long enough")
}

/// Fraction of true ones, and how many there are.
fn rate(hits: impl Iterator<Item = bool>) -> (f64, f64) {
    let hits: Vec<bool> = hits.collect();
    let count = hits.len() as f64;
    (
        hits.iter().filter(|hit| **hit).count() as f64 / count,
        count,
    )
}

fn deviation(chance: f64, count: f64) -> f64 {
    (chance * (1.0 - chance) / count).sqrt()
}

fn assert_chance(hits: impl Iterator<Item = bool>, chance: f64) {
    let (rate, count) = rate(hits);
    let bound = 4.0 * deviation(chance, count);
    assert!(
        (rate - chance).abs() < bound,
        "{rate} is not {chance} ± {bound}"
    );
}

/// That the counts of outcomes fit their probabilities, by chi-squared.
fn assert_distributed<K: Ord + std::fmt::Debug>(count: &BTreeMap<K, usize>, expected: &[f64]) {
    assert_eq!(count.len(), expected.len(), "{count:?}");
    let total = count.values().sum::<usize>() as f64;
    let chi_squared: f64 = count
        .values()
        .zip(expected)
        .map(|(count, p)| (*count as f64 - total * p).powi(2) / (total * p))
        .sum();
    let freedom = expected.len() as f64 - 1.0;
    let bound = freedom + 5.0 * (2.0 * freedom).sqrt();
    assert!(chi_squared < bound, "{chi_squared} > {bound}: {count:?}");
}

fn counts<K: Ord>(outcomes: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut count = BTreeMap::new();
    for outcome in outcomes {
        *count.entry(outcome).or_default() += 1;
    }
    count
}

/// Index of an answer's first token.
fn place(sample: &Sample, answer: usize) -> usize {
    sample.answers[answer].targets.start + 1
}

#[test]
fn only_the_token_k_back_tells_the_answer() {
    let task = task("kind = 'k_back'\nk = 3\nqueries = 2", SMALL);
    let samples = samples(&task, 3_000, 24);
    let at_offset = |offset: usize| {
        let both = samples.iter().flat_map(|sample| [(sample, 0), (sample, 1)]);
        both.map(move |(sample, answer)| {
            let answer = place(sample, answer);
            let source = (answer - 1).checked_sub(offset);
            source.is_some_and(|source| sample.tokens[source] == sample.tokens[answer])
        })
    };
    assert!((rate(at_offset(3)).0 - 1.0).abs() < f64::EPSILON);
    for offset in [1, 2] {
        assert_chance(at_offset(offset), 1.0 / SYMBOLS);
    }
    // Further back there may also be a marker or BOS, which is never right.
    for offset in 4..20 {
        let (rate, count) = rate(at_offset(offset));
        let chance = 1.0 / SYMBOLS;
        assert!(
            rate < chance + 4.0 * deviation(chance, count),
            "{offset}: {rate}"
        );
    }
}

#[test]
fn queries_of_position_may_stand_anywhere() {
    let task = task("kind = 'previous_token'\nqueries = 2", SMALL);
    let arrangements = counts(
        samples(&task, 6_000, 8)
            .iter()
            .map(|s| (place(s, 0), place(s, 1))),
    );
    // Two blocks of three tokens and two spare ones: 4 choose 2.
    assert_distributed(&arrangements, &[1.0 / 6.0; 6]);
}

#[test]
fn a_fixed_distance_does_not_find_the_first_token() {
    let task = task("kind = 'first_token'", SMALL);
    let samples = samples(&task, 8_000, 34);
    let marker_places = counts(samples.iter().map(|sample| place(sample, 0) - 1));
    assert_distributed(&marker_places, &[1.0 / 32.0; 32]);
    for distance in [1, 2, 5] {
        let far_enough = samples.iter().filter(|s| place(s, 0) - 1 > distance);
        let hits = far_enough.map(|sample| {
            let answer = place(sample, 0);
            sample.tokens[answer - 1 - distance] == sample.tokens[answer]
        });
        // Right by definition for one place of the marker, by luck for the others.
        let places = (33 - distance) as f64;
        assert_chance(hits, (1.0 + (places - 1.0) / SYMBOLS) / places);
    }
}

#[test]
fn recall_needs_the_key() {
    let pairs = 4;
    let task = task("kind = 'mqar'\npairs = 4", BYTES);
    let samples = samples(&task, 4_000, 40);
    for query in 0..pairs {
        for pair in 0..pairs {
            let hits = samples
                .iter()
                .map(|s| s.tokens[2 + 2 * pair] == s.tokens[place(s, query)]);
            assert_chance(hits, 1.0 / pairs as f64);
        }
    }
}

#[test]
fn distances_of_recall_follow_the_power_law() {
    for power in [0.01, 0.5, 1.0] {
        let toml = format!("kind = 'mqar'\npairs = 1\npower = {power}");
        let task = task(&toml, SMALL);
        let slots = counts(samples(&task, 8_000, 22).iter().map(|s| place(s, 0)));
        let weights: Vec<f64> = (1..=10)
            .map(|slot| f64::from(slot).powf(power - 1.0))
            .collect();
        let total: f64 = weights.iter().sum();
        let expected: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
        assert_distributed(&slots, &expected);
    }
}

/// With two pairs the second slot is drawn from what the first has left.
#[test]
fn slots_are_drawn_without_replacement() {
    let task = task("kind = 'mqar'\npairs = 2\npower = 0.01", SMALL);
    let found = counts(
        samples(&task, 8_000, 10)
            .iter()
            .map(|s| ((place(s, 0) - 6) / 2, (place(s, 1) - 6) / 2)),
    );
    let weights: Vec<f64> = (1..=3).map(|s| f64::from(s).powf(-0.99)).collect();
    let total: f64 = weights.iter().sum();
    let in_turn = |a: usize, b: usize| weights[a] / total * weights[b] / (total - weights[a]);
    let expected = [(0, 1), (0, 2), (1, 2)].map(|(a, b)| in_turn(a, b) + in_turn(b, a));
    assert_distributed(&found, &expected);
}

#[test]
fn copies_need_the_place() {
    for kind in ["copy", "reverse"] {
        let task = task(&format!("kind = '{kind}'"), SMALL);
        let samples = samples(&task, 4_000, 9);
        for source in 0..4 {
            for output in 0..4 {
                let right = if kind == "copy" { source } else { 3 - source };
                let hits = samples
                    .iter()
                    .map(|s| s.tokens[1 + source] == s.tokens[6 + output]);
                if output == right {
                    assert!((rate(hits).0 - 1.0).abs() < f64::EPSILON);
                } else {
                    assert_chance(hits, 1.0 / SYMBOLS);
                }
            }
        }
    }
}

#[test]
fn data_among_noise_may_stand_anywhere() {
    let task = task("kind = 'selective_copy'\nitems = 2", SMALL);
    let noise = ids(SMALL)[1];
    // T = 8: five places, of which two hold data.
    let places = counts(samples(&task, 5_000, 8).iter().map(|sample| {
        let data = (1..6).filter(|place| sample.tokens[*place] != noise);
        data.collect::<Vec<usize>>()
    }));
    assert_distributed(&places, &[0.1; 10]);
}

#[test]
fn symbols_are_equally_likely() {
    for kind in ["induction", "copy", "first_token"] {
        let task = task(&format!("kind = '{kind}'"), SMALL);
        let symbols = counts(samples(&task, 7_000, 9).iter().map(|s| s.tokens[1]));
        assert_distributed(&symbols, &[1.0 / SYMBOLS; 7]);
    }
}

#[test]
fn first_copies_cannot_be_foretold() {
    let task = task("kind = 'induction'", SMALL);
    let samples = samples(&task, 4_000, 8);
    for back in 1..4 {
        let hits = samples.iter().map(|s| s.tokens[4] == s.tokens[4 - back]);
        assert_chance(hits, 1.0 / SYMBOLS);
    }
}

#[test]
fn the_right_number_does_not_stand_out_among_the_wrong_ones() {
    let task = task("kind = 'passkey'\ndigits = 2\nalternatives = 4", BYTES);
    let ranks = counts(samples(&task, 3_000, 320).iter().map(|sample| {
        let answer = &sample.answers[0];
        let right = &sample.targets()[answer.targets.clone()];
        let smaller = answer.alternatives.iter().filter(|w| w.as_slice() < right);
        smaller.count()
    }));
    assert_distributed(&ranks, &[0.2; 5]);
}
