//! Values computed without this crate: `tests/golden/make_golden.py` says how and by whom.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use positional::{AttentionShape, EncodingConfig, Spectrum};
use serde::Deserialize;

use crate::support::{build, close, shape, spectrum};

#[derive(Deserialize)]
struct Golden {
    spectra: Vec<SpectrumRow>,
    rotated_pairs: Vec<RotatedPairsRow>,
    rotations: Vec<RotationRow>,
    large_angles: Vec<LargeAngleRow>,
    alibi: Vec<AlibiRow>,
    sinusoidal: Vec<SinusoidalRow>,
}

#[derive(Deserialize)]
struct SpectrumRow {
    kind: String,
    head_dim: usize,
    parameters: BTreeMap<String, f64>,
    fingerprint: String,
    frequencies: Vec<f64>,
    huggingface: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct RotatedPairsRow {
    fraction: f64,
    head_dim: usize,
    rotated: usize,
}

#[derive(Deserialize)]
struct RotationRow {
    theta: f64,
    fraction: f64,
    position: usize,
    x: Vec<f64>,
    rotated: Vec<f64>,
    huggingface: Vec<f64>,
}

#[derive(Deserialize)]
struct LargeAngleRow {
    head_dim: usize,
    theta: f64,
    pair: usize,
    position: usize,
    cos: f64,
    sin: f64,
}

#[derive(Deserialize)]
struct AlibiRow {
    num_heads: usize,
    slopes: Vec<f64>,
    huggingface: Vec<f64>,
}

#[derive(Deserialize)]
struct SinusoidalRow {
    hidden_size: usize,
    theta: f64,
    position: usize,
    vector: Vec<f64>,
}

static GOLDEN: LazyLock<Golden> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../golden/golden.json")).expect("a well-formed fixture")
});

impl SpectrumRow {
    fn spectrum(&self) -> Spectrum {
        let config = EncodingConfig {
            kind: self.kind.clone(),
            parameters: self.parameters.clone(),
        };
        let encoding = config.build(shape(self.head_dim)).expect("a valid config");
        encoding.spectrum().expect("a rotary kind").clone()
    }
}

#[test]
fn frequencies_are_those_of_the_published_formulas() {
    for row in &GOLDEN.spectra {
        let spectrum = row.spectrum();
        assert_eq!(spectrum.frequencies().len(), row.frequencies.len());
        for (pair, (ours, theirs)) in spectrum
            .frequencies()
            .iter()
            .zip(&row.frequencies)
            .enumerate()
        {
            let context = format!("{} d={} pair {pair}", row.kind, row.head_dim);
            assert!(close(*ours, *theirs, 1e-14), "{context}: {ours} {theirs}");
        }
    }
}

#[test]
fn frequencies_are_those_of_hugging_face() {
    for row in &GOLDEN.spectra {
        let Some(theirs) = &row.huggingface else {
            continue;
        };
        let spectrum = row.spectrum();
        // GPT-NeoX has no entry for the pairs that do not rotate; ours are zero there.
        let (rotating, still) = spectrum.frequencies().split_at(theirs.len());
        assert!(still.iter().all(|f| *f == 0.0));
        for (ours, theirs) in rotating.iter().zip(theirs) {
            // Theirs are float32 powers of float32 exponents.
            assert!(
                close(*ours, *theirs, 2e-6),
                "{} {}: {ours} {theirs}",
                row.kind,
                row.head_dim
            );
        }
    }
}

#[test]
fn hugging_face_confirms_every_rotary_rule_it_has() {
    let confirmed = |kind: &str| {
        let rows = GOLDEN.spectra.iter().filter(|row| row.kind == kind);
        rows.filter(|row| row.huggingface.is_some()).count()
    };
    assert!(confirmed("rope") >= 2 && confirmed("prope") >= 8 && confirmed("rope_partial") >= 2);
    for kind in ["rope_linear", "rope_llama3", "rope_yarn"] {
        assert!(confirmed(kind) >= 2, "{kind}");
    }
}

#[test]
fn rotated_pairs_follow_the_papers_rounding() {
    for row in &GOLDEN.rotated_pairs {
        for kind in ["prope", "prope_reversed", "rope_partial"] {
            let rotated = spectrum(kind, &[("fraction", row.fraction)], row.head_dim).num_rotated();
            assert_eq!(
                rotated, row.rotated,
                "{kind} p={} d={}",
                row.fraction, row.head_dim
            );
        }
    }
}

#[test]
fn fingerprints_are_fnv_1a() {
    for row in &GOLDEN.spectra {
        let fingerprint = format!("{:016x}", row.spectrum().fingerprint());
        assert_eq!(
            fingerprint, row.fingerprint,
            "{} d={}",
            row.kind, row.head_dim
        );
    }
}

#[test]
fn rotation_is_that_of_the_paper_and_of_hugging_face() {
    for row in &GOLDEN.rotations {
        let parameters = [("theta", row.theta), ("fraction", row.fraction)];
        let ours = spectrum("prope", &parameters, row.x.len()).rotate(&row.x, row.position);
        for theirs in [&row.rotated, &row.huggingface] {
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!(
                    (ours - theirs).abs() < 1e-11,
                    "position {}: {ours} {theirs}",
                    row.position
                );
            }
        }
    }
}

#[test]
fn tables_are_exact_to_single_precision_at_position_100_000() {
    for row in &GOLDEN.large_angles {
        let spectrum = spectrum("rope", &[("theta", row.theta)], row.head_dim);
        let tables = spectrum.tables(row.position..row.position + 1);
        let half_ulp = f64::from(f32::EPSILON) / 2.0;
        assert!((f64::from(tables.cos[row.pair]) - row.cos).abs() <= half_ulp);
        assert!((f64::from(tables.sin[row.pair]) - row.sin).abs() <= half_ulp);
    }
}

#[test]
fn alibi_slopes_are_those_of_the_authors_and_of_hugging_face() {
    for row in &GOLDEN.alibi {
        let shape = AttentionShape {
            num_heads: row.num_heads,
            ..shape(64)
        };
        let alibi = build("alibi", &[], shape);
        assert_eq!(
            (row.slopes.len(), row.huggingface.len()),
            (row.num_heads, row.num_heads)
        );
        for head in 0..row.num_heads {
            let slope = -alibi.bias(head, 1).expect("ALiBi has a bias");
            assert!(
                close(slope, row.slopes[head], 1e-14),
                "head {head} of {}",
                row.num_heads
            );
            assert!(
                close(slope, row.huggingface[head], 2e-6),
                "head {head} of {}",
                row.num_heads
            );
        }
    }
}

#[test]
fn sinusoidal_vectors_are_those_of_the_paper() {
    for row in &GOLDEN.sinusoidal {
        let shape = AttentionShape {
            hidden_size: row.hidden_size,
            ..shape(64)
        };
        let encoding = build("sinusoidal", &[("theta", row.theta)], shape);
        let ours = encoding
            .absolute(row.position)
            .expect("sinusoidal is absolute");
        assert_eq!(ours.len(), row.vector.len());
        for (ours, theirs) in ours.iter().zip(&row.vector) {
            assert!((ours - theirs).abs() < 1e-11);
        }
    }
}
