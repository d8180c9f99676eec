//! Values computed by numpy and mpmath: `tests/golden/make_golden.py` says how.

use std::sync::LazyLock;

use serde::Deserialize;
use theory::{
    Content, Decay, Pattern, Wavelengths, fitted_base, least_kernel, needed_norm, sign_change,
    smallest_base, wrapping,
};

use crate::support::subject;

#[derive(Deserialize)]
struct Golden {
    decay: Vec<DecayRow>,
    wavelengths: Vec<WavelengthRow>,
    least: Vec<LeastRow>,
    bases: Vec<BaseRow>,
    norms: Vec<NormRow>,
    wrapping: Vec<WrappingRow>,
}

#[derive(Deserialize)]
struct DecayRow {
    kind: String,
    head_dim: usize,
    theta: f64,
    fraction: f64,
    distances: Vec<usize>,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct WavelengthRow {
    kind: String,
    head_dim: usize,
    theta: f64,
    fraction: f64,
    longest: f64,
    shortest: f64,
    unrotated: usize,
    first_negative: usize,
}

#[derive(Deserialize)]
struct LeastRow {
    kind: String,
    head_dim: usize,
    theta: f64,
    fraction: f64,
    context: usize,
    distance: usize,
    value: f64,
}

#[derive(Deserialize)]
struct BaseRow {
    kind: String,
    head_dim: usize,
    fraction: f64,
    context: usize,
    first: f64,
    all_from: f64,
}

#[derive(Deserialize)]
struct NormRow {
    name: String,
    frequencies: Vec<f64>,
    context: usize,
    norm: f64,
}

#[derive(Deserialize)]
struct WrappingRow {
    count: usize,
    nearest: f64,
    at: usize,
    gap: f64,
}

static GOLDEN: LazyLock<Golden> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../golden/golden.json")).expect("golden.json")
});

#[track_caller]
fn close(found: f64, expected: f64, relative: f64, what: &str) {
    let off = (found - expected).abs();
    assert!(
        off <= relative * expected.abs().max(1e-300),
        "{what}: {found} is not {expected}"
    );
}

#[test]
fn all_ones_decay_as_sums_of_cosines_do() {
    for row in &GOLDEN.decay {
        let subject = subject(&row.kind, row.head_dim, row.theta, row.fraction, 5001);
        let decay = Decay::of(&subject, Content::Constant, 0);
        for (&distance, &value) in row.distances.iter().zip(&row.values) {
            let found = decay.values[distance];
            assert!(
                (found - value).abs() < 1e-10,
                "{} at {distance}: {found} is not {value}",
                row.kind
            );
        }
    }
}

#[test]
fn wavelengths_and_quarter_turns() {
    for row in &GOLDEN.wavelengths {
        let subject = subject(&row.kind, row.head_dim, row.theta, row.fraction, 8192);
        let spectrum = subject.rotation().expect("rotates");
        let found = Wavelengths::of(spectrum, 8192);
        let longest = found.longest.expect("rotates");
        close(longest, row.longest, 1e-12, "longest");
        close(
            found.shortest.expect("rotates"),
            row.shortest,
            1e-12,
            "shortest",
        );
        assert_eq!(found.unrotated(), row.unrotated);
        let pairs = spectrum.frequencies().iter().copied().enumerate();
        let turning = pairs.filter(|(_, g)| *g > 0.0);
        let (pair, slowest) = turning.min_by(|a, b| a.1.total_cmp(&b.1)).expect("rotates");
        let (first, half) = sign_change(&subject, pair, slowest).expect("turns negative");
        assert_eq!(first, row.first_negative, "{} p={}", row.kind, row.fraction);
        assert!(half < -0.99, "{half}");
    }
}

#[test]
fn least_kernels() {
    for row in &GOLDEN.least {
        let subject = subject(
            &row.kind,
            row.head_dim,
            row.theta,
            row.fraction,
            row.context,
        );
        let found = least_kernel(subject.rotation().expect("rotates"), row.context);
        assert_eq!(found.distance, row.distance);
        assert!((found.value - row.value).abs() < 1e-10, "{found:?}");
    }
}

/// Both try the same grid; ours refines the ends.
#[test]
fn smallest_bases() {
    for row in &GOLDEN.bases {
        if row.context > 8192 {
            continue; // Minutes, not seconds; `docs/theory.md` has it.
        }
        let subject = subject(&row.kind, row.head_dim, 1e4, row.fraction, row.context);
        let found = smallest_base(&subject).expect("valid").expect("some base");
        close(found.first, row.first, 0.006, "first");
        close(found.all_from, row.all_from, 0.006, "all from");
    }
}

/// Men et al. 2024, table of their smallest bases, 128 coordinates a head, and their fit to it.
#[test]
fn the_quoted_bases_are_found_again() {
    for (context, quoted) in [(4096, 2.7e4), (8192, 8.4e4)] {
        let found = smallest_base(&subject("rope", 128, 1e4, 1.0, context));
        let first = found.expect("valid").expect("some base").first;
        close(first, quoted, 0.1, "quoted");
        let fitted = fitted_base(context);
        assert!(
            (0.5..2.0).contains(&(first / fitted)),
            "{first} and {fitted}"
        );
    }
}

#[test]
fn norms_of_a_diagonal_head() {
    for row in &GOLDEN.norms {
        let found = needed_norm(&row.frequencies, row.context, Pattern::Diagonal);
        close(found.expect("a norm"), row.norm, 1e-6, &row.name);
    }
}

#[test]
fn angles_on_the_circle() {
    for row in &GOLDEN.wrapping {
        let found = wrapping(1.0, row.count);
        assert_eq!(found.at, row.at);
        assert!((found.nearest - row.nearest).abs() < 1e-12, "{found:?}");
        assert!((found.gap - row.gap).abs() < 1e-11, "{found:?}");
    }
}
