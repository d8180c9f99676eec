//! Values computed by numpy, scipy and statsmodels: `tests/reference/make_reference.py` says how.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use statistics::{
    Interval, Paired, TInterval, holm, mean, power, smallest_detectable, standard_deviation,
    t_interval,
};

#[derive(Deserialize)]
struct Example {
    tokens: Vec<usize>,
    variants: BTreeMap<String, Vec<Vec<f64>>>,
}

#[derive(Deserialize)]
struct Values {
    variants: BTreeMap<String, VariantValues>,
    holm: Vec<HolmRow>,
    power: Vec<PowerRow>,
    smallest_detectable: Vec<PowerRow>,
}

#[derive(Deserialize)]
struct VariantValues {
    per_seed: Vec<f64>,
    t: TRow,
    bootstrap: BootstrapRow,
    first_seed_bootstrap: BootstrapRow,
}

#[derive(Deserialize)]
struct TRow {
    standard_deviation: f64,
    #[serde(flatten)]
    interval: TInterval,
}

/// Percentiles over `repeats` bootstraps, and how much those of one differ from another's.
#[derive(Deserialize)]
struct BootstrapRow {
    low: f64,
    high: f64,
    low_error: f64,
    high_error: f64,
    resamples: usize,
    repeats: usize,
}

#[derive(Deserialize)]
struct HolmRow {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct PowerRow {
    effect: f64,
    sd: f64,
    n: usize,
    alpha: f64,
    power: f64,
    /// Power or effect, where statsmodels finds it.
    statsmodels: Option<f64>,
}

static EXAMPLE: LazyLock<Example> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../reference/example.json")).expect("example.json")
});
static VALUES: LazyLock<Values> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../reference/values.json")).expect("values.json")
});

/// The variants of the example beside the values of each.
fn variants() -> impl Iterator<Item = (Paired, &'static VariantValues)> {
    EXAMPLE.variants.iter().map(|(name, differences)| {
        let paired = Paired::new(differences.clone(), &EXAMPLE.tokens).expect("shapes agree");
        (paired, &VALUES.variants[name])
    })
}

/// Equal up to a relative error of `tolerance`.
#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs(),
        "{found} instead of {expected}"
    );
}

#[test]
fn effects_are_numpys() {
    for (paired, values) in variants() {
        let effect = paired.effect();
        assert_eq!(effect.per_seed.len(), values.per_seed.len());
        for (found, expected) in effect.per_seed.iter().zip(&values.per_seed) {
            assert_close(*found, *expected, 1e-9);
        }
        assert_close(effect.mean, values.t.interval.mean, 1e-9);
        assert_eq!((paired.seeds(), paired.documents()), (5, 12));
    }
}

#[test]
fn moments_are_numpys() {
    for values in VALUES.variants.values() {
        let found = standard_deviation(&values.per_seed).expect("five seeds");
        assert_close(found, values.t.standard_deviation, 1e-9);
        let found = mean(&values.per_seed).expect("five seeds");
        assert_close(found, values.t.interval.mean, 1e-9);
    }
}

#[test]
fn t_intervals_are_scipys() {
    for (paired, values) in variants() {
        let found = t_interval(&paired.effect().per_seed).expect("five seeds");
        let expected = values.t.interval;
        assert_close(found.mean, expected.mean, 1e-9);
        assert_close(found.low, expected.low, 1e-9);
        assert_close(found.high, expected.high, 1e-9);
        assert_close(found.t, expected.t, 1e-9);
        assert_close(found.p, expected.p, 1e-9);
        assert_eq!(found.degrees_of_freedom, expected.degrees_of_freedom);
    }
}

#[test]
fn adjusted_p_values_are_statsmodels() {
    for row in &VALUES.holm {
        let adjusted = holm(&row.p).expect("probabilities");
        assert_eq!(adjusted.len(), row.adjusted.len());
        for (found, expected) in adjusted.iter().zip(&row.adjusted) {
            assert_close(*found, *expected, 1e-9);
        }
    }
}

#[test]
fn power_is_scipys_and_statsmodels() {
    assert!(known(&VALUES.power) > 70);
    for row in &VALUES.power {
        let found = power(row.effect, row.sd, row.n, row.alpha).expect("in range");
        for expected in [Some(row.power), row.statsmodels].into_iter().flatten() {
            assert!(
                (found - expected).abs() < 1e-9,
                "{found} instead of {expected} for n {}, alpha {}, effect {}",
                row.n,
                row.alpha,
                row.effect
            );
        }
    }
}

#[test]
fn smallest_detectable_effects_are_scipys_and_statsmodels() {
    assert!(known(&VALUES.smallest_detectable) > 30);
    for row in &VALUES.smallest_detectable {
        let found = smallest_detectable(row.sd, row.n, row.alpha, row.power).expect("in range");
        assert_close(found, row.effect, 1e-9);
        if let Some(expected) = row.statsmodels {
            assert_close(found, expected, 1e-6);
        }
    }
}

fn known(rows: &[PowerRow]) -> usize {
    rows.iter().filter(|row| row.statsmodels.is_some()).count()
}

/// Both ends agree within five standard errors of the difference of two Monte Carlo estimates.
#[track_caller]
fn assert_within_monte_carlo_error(found: Interval, resamples: usize, expected: &BootstrapRow) {
    let theirs = 1.0 / expected.repeats as f64;
    let ours = expected.resamples as f64 / resamples as f64;
    let errors = 5.0 * (ours + theirs).sqrt();
    assert!(
        (found.low - expected.low).abs() < errors * expected.low_error,
        "low {} instead of {} ± {}",
        found.low,
        expected.low,
        expected.low_error
    );
    assert!(
        (found.high - expected.high).abs() < errors * expected.high_error,
        "high {} instead of {} ± {}",
        found.high,
        expected.high,
        expected.high_error
    );
}

#[test]
fn bootstrap_intervals_are_numpys() {
    for (paired, values) in variants() {
        let found = paired.bootstrap_interval(200_000).expect("many pairs");
        assert_within_monte_carlo_error(found, 200_000, &values.bootstrap);
    }
}

#[test]
fn bootstrap_intervals_of_one_seed_are_scipys() {
    for (name, values) in &VALUES.variants {
        let first = vec![EXAMPLE.variants[name][0].clone()];
        let paired = Paired::new(first, &EXAMPLE.tokens).expect("shapes agree");
        let found = paired
            .bootstrap_interval(200_000)
            .expect("twelve documents");
        assert_within_monte_carlo_error(found, 200_000, &values.first_seed_bootstrap);
    }
}
