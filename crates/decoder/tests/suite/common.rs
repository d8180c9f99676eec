//! Small decoders and how they are run here.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use decoder::{
    Activation, Decoder, DecoderConfig, Execution, Kernels, LayerKind, NormGain, Precision, preset,
};
use positional::EncodingConfig;

pub const VOCABULARY: usize = 61;

pub fn plain(query_chunk: usize) -> Execution {
    Execution {
        precision: Precision::F32,
        kernels: Kernels::Plain,
        fused_attention: false,
        query_chunk,
    }
}

/// The crate `fused`.
pub fn fused() -> Execution {
    Execution {
        kernels: Kernels::Fused,
        fused_attention: true,
        ..plain(usize::MAX)
    }
}

/// Fused attention among plain operations.
pub fn fused_attention() -> Execution {
    Execution {
        fused_attention: true,
        ..plain(usize::MAX)
    }
}

/// Two layers of width 24, four heads of 8 over two key-value heads.
pub fn small(encoding: EncodingConfig) -> DecoderConfig {
    DecoderConfig {
        vocab_size: VOCABULARY,
        hidden_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        intermediate_size: 40,
        pattern: vec!["global".to_owned()],
        layers: BTreeMap::from([("global".to_owned(), LayerKind::global(encoding))]),
        ..preset("micro").expect("preset")
    }
}

/// Every option on: local and global layers of different head sizes, norms, caps, shared keys.
pub fn everything() -> DecoderConfig {
    let prope = EncodingConfig::new("prope").with("fraction", 0.5);
    let mut config = small(prope.clone());
    config.num_hidden_layers = 4;
    config.norm_gain = NormGain::Plain;
    config.qk_norm = true;
    config.v_norm = true;
    config.post_norms = true;
    config.query_scale = Some(0.7);
    config.attn_logit_softcapping = Some(3.0);
    config.final_logit_softcapping = Some(5.0);
    config.hidden_activation = Activation::Silu;
    config.tie_word_embeddings = false;
    config.layer_scalar = true;
    config.pattern = ["local", "global", "alibi"].map(str::to_owned).to_vec();
    config.layers = BTreeMap::from([
        (
            "local".to_owned(),
            LayerKind::local(5, EncodingConfig::new("rope").with("theta", 100.0)),
        ),
        (
            "global".to_owned(),
            LayerKind {
                head_dim: Some(12),
                num_key_value_heads: Some(1),
                keys_are_values: true,
                ..LayerKind::global(prope)
            },
        ),
        (
            "alibi".to_owned(),
            LayerKind::global(EncodingConfig::new("alibi")),
        ),
    ]);
    config
}

/// Keys and values shared, wide feed-forward layers, inputs of each layer: Gemma 4 E2B in small.
pub fn sharing() -> DecoderConfig {
    let mut config = everything();
    config.num_hidden_layers = 6;
    config.hidden_activation = Activation::GeluTanh;
    config.num_kv_shared_layers = 3;
    config.use_double_wide_mlp = true;
    config.hidden_size_per_layer_input = 6;
    config
}

pub fn decoder(config: DecoderConfig) -> Decoder {
    perturb_gains(Decoder::new(config, 7, &Device::flex()).expect("valid config"))
}

/// Fresh gains are all ones: a decoder that ignored them would pass every comparison.
fn perturb_gains(decoder: Decoder) -> Decoder {
    let mut tensors = decoder::named_tensors(&decoder);
    for tensor in &mut tensors {
        if tensor.shape.len() == 1 {
            for (i, value) in tensor.values.iter_mut().enumerate() {
                *value += 0.3 * ((i * 37 % 11) as f32 / 11.0 - 0.5);
            }
        }
    }
    decoder::load_parameters(decoder, tensors).expect("same parameters")
}

pub fn tokens(batch: usize, length: usize) -> Vec<Vec<usize>> {
    (0..batch)
        .map(|b| {
            (0..length)
                .map(|t| (t * t * 7 + t * 13 + b * 29 + 3) % VOCABULARY)
                .collect()
        })
        .collect()
}

pub fn to_device(tokens: &[Vec<usize>], device: &Device) -> Tensor<2, Int> {
    let ids: Vec<i32> = tokens.iter().flatten().map(|id| *id as i32).collect();
    Tensor::from_data(
        TensorData::new(ids, [tokens.len(), tokens[0].len()]),
        device,
    )
}

/// Logits `[B*T*V]` of the decoder under `execution`.
pub fn logits(decoder: &Decoder, tokens: &[Vec<usize>], execution: Execution) -> Vec<f32> {
    let device = decoder.device();
    let positions = decoder.positions(tokens[0].len(), &device);
    let hidden = decoder.hidden_states(to_device(tokens, &device), &positions, execution);
    let logits = decoder.logits(hidden, execution.precision);
    logits.into_data().iter::<f32>().collect()
}

#[track_caller]
pub fn assert_close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    let worst = a
        .iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0f32, f32::max);
    assert!(
        worst <= tolerance,
        "largest difference {worst} exceeds {tolerance}"
    );
}
