//! Logits against Hugging Face transformers, on models that it made: `scripts/parity/make_fixtures.py`.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use decoder::{Decoder, Execution, Kernels, Precision};
use interchange::HuggingFaceFolder;
use serde::Deserialize;

/// Largest difference of a logit, in f32.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<Vec<i32>>,
    /// Positions compared, from the end.
    positions: usize,
    /// `[sequences][positions][vocabulary]`.
    logits: Vec<Vec<Vec<f32>>>,
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let entries = std::fs::read_dir(folder).expect("the fixtures");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn logits(decoder: &Decoder, tokens: &[i32], execution: Execution) -> Vec<f32> {
    let device = decoder.device();
    let positions = decoder.positions(tokens.len(), &device);
    let ids = TensorData::new(tokens.to_vec(), [1, tokens.len()]);
    let ids: Tensor<2, Int> = Tensor::from_data(ids, &device);
    let hidden = decoder.hidden_states(ids, &positions, execution);
    let logits = decoder.logits(hidden, Precision::F32).into_data();
    logits.iter::<f32>().collect()
}

fn worst_difference(folder: &Path) -> f32 {
    let model = HuggingFaceFolder::open(folder).expect("a known model");
    let decoder = model.load(&Device::flex()).expect("sound weights");
    let expected = std::fs::read(folder.join("expected.json")).expect("expected.json");
    let expected: Expected = serde_json::from_slice(&expected).expect("its fields");
    let fused = Execution::exact(&Device::flex(), 7);
    let plain = Execution {
        kernels: Kernels::Plain,
        fused_attention: false,
        ..fused
    };
    let mut worst = 0.0f32;
    for (tokens, rows) in expected.tokens.iter().zip(&expected.logits) {
        for execution in [fused, plain] {
            let ours = logits(&decoder, tokens, execution);
            let vocabulary = ours.len() / tokens.len();
            let last = &ours[(tokens.len() - expected.positions) * vocabulary..];
            assert_eq!(last.len(), rows.concat().len());
            for (a, b) in last.iter().zip(rows.concat()) {
                worst = worst.max((a - b).abs());
            }
        }
    }
    worst
}

#[test]
fn logits_are_those_of_transformers() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 10, "{fixtures:?}");
    for folder in fixtures {
        let worst = worst_difference(&folder);
        println!("{}: {worst:e}", folder.display());
        assert!(worst <= TOLERANCE, "{}: {worst}", folder.display());
    }
}
