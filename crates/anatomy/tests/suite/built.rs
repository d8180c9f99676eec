//! A decoder of one layer whose heads are what they were built to be.
//!
//! Every row of the embedding is ±1, its coordinate 0 always 1, so that after the norm a token is that row. Weights
//! of a projection's row 0 then give all tokens the same vector, those of row 1 one that depends on the parity of
//! the id. Queries ψ and keys ρ(g)ψ make a previous-token head (Theorem 5.3 of the paper); a query turned on by `k`
//! positions moves it.

use std::collections::BTreeMap;

use burn::tensor::Device;
use decoder::{Decoder, DecoderConfig, LayerKind, load_parameters, named_tensors, preset};
use positional::{EncodingConfig, Spectrum};

pub const VOCABULARY: usize = 64;
pub const PAIRS: usize = 32;
const WIDTH: usize = 16;
const HEAD_DIM: usize = 2 * PAIRS;
const HEADS: usize = 5;
/// `‖ψ‖²`, in equal parts over all pairs but the last. 136 give 0.99 at 1,024 tokens.
pub const SQUARED_NORM: f64 = 200.0;
/// Logit of an odd key in head 3, and minus that of an even one, as long as the slowest pair has hardly turned.
pub const CHANNEL: f64 = 3.0;

/// Heads: 0 previous token, 1 diagonal, 2 three back, 3 prefers odd ids, 4 attends to all alike.
pub fn decoder() -> Decoder {
    let kind = LayerKind::global(EncodingConfig::new("rope").with("theta", 10_000.0));
    let config = DecoderConfig {
        vocab_size: VOCABULARY,
        hidden_size: WIDTH,
        num_hidden_layers: 1,
        num_attention_heads: HEADS,
        num_key_value_heads: 1,
        head_dim: HEAD_DIM,
        intermediate_size: 16,
        query_scale: Some(1.0),
        pattern: vec!["global".to_owned()],
        layers: BTreeMap::from([("global".to_owned(), kind)]),
        ..preset("micro").expect("a preset")
    };
    let decoder = Decoder::new(config, 1, &Device::flex()).expect("valid");
    let mut tensors = named_tensors(&decoder);
    for tensor in &mut tensors {
        let values: Vec<f64> = match tensor.name.as_str() {
            "embed_tokens" => embedding(),
            "layers.0.self_attn.q_proj" => queries(),
            "layers.0.self_attn.k_proj" => keys(),
            _ => continue,
        };
        assert_eq!(values.len(), tensor.values.len(), "{}", tensor.name);
        tensor.values = values.into_iter().map(|x| x as f32).collect();
    }
    load_parameters(decoder, tensors).expect("same shapes")
}

pub fn spectrum() -> Spectrum {
    let frequencies = (0..PAIRS).map(|i| 10_000f64.powf(-2.0 * i as f64 / HEAD_DIM as f64));
    Spectrum::new(frequencies.collect(), 1.0).expect("valid")
}

fn embedding() -> Vec<f64> {
    let sign = |bit: usize| if bit == 0 { 1.0 } else { -1.0 };
    (0..VOCABULARY)
        .flat_map(|id| {
            (0..WIDTH).map(move |c| match c {
                0 => 1.0,
                c => sign(id >> ((c - 1) % 6) & 1),
            })
        })
        .collect()
}

/// ψ: the first coordinate of every pair but the last.
fn psi() -> Vec<f64> {
    let amplitude = (SQUARED_NORM / (PAIRS - 1) as f64).sqrt();
    (0..HEAD_DIM)
        .map(|i| if i < PAIRS - 1 { amplitude } else { 0.0 })
        .collect()
}

/// ψ turned by so many positions, forwards or backwards.
fn turned(by: f64) -> Vec<f64> {
    let mut x = psi();
    for pair in 0..PAIRS {
        let (sin, cos) = (by * spectrum().frequencies()[pair]).sin_cos();
        x[pair + PAIRS] = x[pair] * sin;
        x[pair] *= cos;
    }
    x
}

/// `[WIDTH, HEADS * HEAD_DIM]`: row 0 only.
fn queries() -> Vec<f64> {
    let mut slowest = vec![0.0; HEAD_DIM];
    slowest[PAIRS - 1] = 1.0;
    // The keys are turned on by 1: a query turned on by 1 - k looks k back.
    let heads = [
        turned(0.0),
        turned(1.0),
        turned(-2.0),
        slowest,
        vec![0.0; HEAD_DIM],
    ];
    let mut weights = heads.concat();
    weights.resize(WIDTH * HEADS * HEAD_DIM, 0.0);
    weights
}

/// `[WIDTH, HEAD_DIM]`: row 0 for all tokens, row 1 by parity.
fn keys() -> Vec<f64> {
    let mut parity = vec![0.0; HEAD_DIM];
    parity[PAIRS - 1] = -CHANNEL; // coordinate 1 of an odd id is -1
    let mut weights = [turned(1.0), parity].concat();
    weights.resize(WIDTH * HEAD_DIM, 0.0);
    weights
}

/// Ids without pattern; 0 is `<bos>`.
pub fn text(length: usize) -> Vec<u32> {
    (0..length as u32)
        .map(|i| (i * i * 7 + i * 13 + 5) % 63 + 1)
        .collect()
}

/// Odd ids are written with an apostrophe, even ones as letters.
pub fn written() -> Vec<String> {
    (0..VOCABULARY)
        .map(|id| {
            if id % 2 == 1 {
                "\u{2019}".to_owned()
            } else {
                format!("w{id}")
            }
        })
        .collect()
}
