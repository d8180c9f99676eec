//! Each check is refuted where what it rests on is not so.

use std::f64::consts::TAU;

use positional::Spectrum;
use theory::{
    Gaussian, Pattern, Verdict, Wavelengths, maximum, moments, needed_norm, sign_change,
    smallest_base,
};

use crate::support::{assert_verdict, lying, subject};

fn none(_distance: usize) -> f64 {
    0.0
}

fn falling(distance: usize) -> f64 {
    -0.5 * distance as f64
}

/// `theta^(-2i/d)` for 32 pairs.
fn frequencies() -> Vec<f64> {
    (0..32)
        .map(|i| 1e4_f64.powf(-f64::from(i) / 32.0))
        .collect()
}

/// Ten tokens are a whole turn of every pair.
fn periodic() -> Vec<f64> {
    vec![TAU / 10.0; 32]
}

#[test]
fn honest_frequencies_pass() {
    let subject = lying(frequencies(), none, 1024);
    for check in theory::checks(&subject) {
        assert_ne!(check.verdict, Verdict::Refuted, "{check:?}");
    }
}

#[test]
fn proposition_3_1_without_a_single_maximum() {
    assert_verdict(
        &lying(periodic(), none, 1024),
        "Proposition 3.1",
        Verdict::Refuted,
    );
}

#[test]
fn proposition_3_1_with_the_wrong_sign_of_rotation() {
    let subject = subject("rope", 64, 1e4, 1.0, 1024);
    let spectrum = subject.rotation().expect("rotates");
    let query = Gaussian::new(1).vector(64);
    let right = spectrum.rotate(&query, 100);
    assert_eq!(maximum(&subject, &query, &right).distance, 100);
    // Turning the mirror image and mirroring back turns the other way.
    let mirror = |x: &[f64]| -> Vec<f64> {
        let (a, b) = x.split_at(32);
        a.iter().copied().chain(b.iter().map(|x| -x)).collect()
    };
    let wrong = mirror(&spectrum.rotate(&mirror(&query), 100));
    assert_ne!(maximum(&subject, &query, &wrong).distance, 100);
}

#[test]
fn proposition_3_2_with_dependent_queries_and_keys() {
    let subject = subject("rope", 64, 1e4, 1.0, 1024);
    let mut gaussian = Gaussian::new(2);
    let apart = moments(&subject, 100, 500, || {
        (gaussian.vector(64), gaussian.vector(64))
    });
    assert!(apart.z.abs() < 4.0);
    let same = moments(&subject, 100, 500, || {
        let x = gaussian.vector(64);
        (x.clone(), x)
    });
    assert!(same.z.abs() > 4.0, "{same:?}");
}

#[test]
fn proposition_5_2_with_a_hidden_bias() {
    let subject = lying(vec![0.0; 32], falling, 1024);
    assert_verdict(&subject, "Proposition 5.2", Verdict::Refuted);
    assert_verdict(&subject, "p-RoPE channels", Verdict::Refuted);
    assert_verdict(
        &lying(vec![0.0; 32], none, 1024),
        "Proposition 5.2",
        Verdict::Holds,
    );
}

#[test]
fn theorem_5_3_where_angles_return() {
    let subject = lying(periodic(), none, 1024);
    assert_verdict(&subject, "Theorem 5.3", Verdict::Refuted);
    assert_eq!(needed_norm(&periodic(), 1024, Pattern::Diagonal), None);
}

#[test]
fn high_is_cheap_with_the_frequencies_swapped() {
    let mut swapped = frequencies();
    swapped.reverse();
    assert_verdict(
        &lying(swapped, none, 1024),
        "High is cheap",
        Verdict::Refuted,
    );
}

#[test]
fn theorem_6_1_with_a_hidden_bias() {
    let subject = lying(frequencies(), |_| 2.0, 1024);
    assert_verdict(&subject, "Theorem 6.1", Verdict::Refuted);
}

#[test]
fn theorem_6_1_at_another_frequency_than_the_pairs() {
    let subject = subject("rope", 64, 1e4, 1.0, 1024);
    let slowest = 1e4_f64.powf(-62.0 / 64.0);
    assert!(sign_change(&subject, 31, slowest).is_some());
    assert!(sign_change(&subject, 31, slowest * 1.1).is_none());
    assert!(sign_change(&subject, 30, slowest).is_none());
}

#[test]
fn lemmas_where_frequency_and_turn_are_commensurate() {
    let subject = lying(vec![TAU / 8.0; 32], none, 1024);
    assert_verdict(&subject, "Lemma A.1", Verdict::Refuted);
    assert_verdict(&subject, "Lemma A.2", Verdict::Refuted);
}

/// p-RoPE spreads its exponents over the whole head; over the rotated part alone it is another encoding.
#[test]
fn the_wrong_denominator_is_seen() {
    let right = subject("prope", 256, 1e4, 0.75, 8192);
    let rotated = (0..96).map(|i| 1e4_f64.powf(-f64::from(i) / 96.0));
    let wrong: Vec<f64> = rotated.chain(std::iter::repeat_n(0.0, 32)).collect();
    let longest = |spectrum: &Spectrum| Wavelengths::of(spectrum, 8192).longest.expect("rotates");
    let right = longest(right.rotation().expect("rotates"));
    let wrong = longest(&Spectrum::new(wrong, 1.0).expect("frequencies"));
    assert!((right - 5847.0).abs() < 1.0, "{right}");
    assert!(wrong > 50_000.0, "{wrong}");
}

#[test]
fn an_encoding_without_a_base_has_no_smallest_one() {
    for subject in [
        lying(frequencies(), none, 64),
        subject("nope", 64, 1e4, 0.0, 64),
    ] {
        assert_eq!(smallest_base(&subject), Ok(None));
    }
}
