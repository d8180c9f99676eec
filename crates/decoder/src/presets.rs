//! Named shapes, as plain data. `vocab_size` is a reference value: training sets it from the tokenizer.

use std::collections::BTreeMap;

use positional::EncodingConfig;

use crate::config::{Activation, DecoderConfig, LayerKind, NormGain};

/// A named shape.
pub struct Preset {
    /// The name a configuration file uses.
    pub name: &'static str,
    /// One line: what it is and where it comes from.
    pub summary: &'static str,
    /// Makes the shape.
    pub config: fn() -> DecoderConfig,
}

/// All presets, smallest first.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "micro",
        summary: "for tests: two layers of width 32",
        config: micro,
    },
    Preset {
        name: "tiny",
        summary: "the default: about 1M parameters, trains in minutes on two CPU cores",
        config: tiny,
    },
    Preset {
        name: "small",
        summary: "about 10M parameters with an 8k vocabulary",
        config: small,
    },
    Preset {
        name: "gpt2-size",
        summary: "about 124M parameters with GPT-2's vocabulary",
        config: gpt2_size,
    },
    Preset {
        name: "gemma3-1b",
        summary: "Gemma 3 1B: five local layers to one global, QK-norm, post-norms",
        config: gemma3_1b,
    },
    Preset {
        name: "gemma-2b",
        summary: "Gemma 2B, the shape of the paper's experiments (section 6)",
        config: gemma_2b,
    },
    Preset {
        name: "gemma4-e2b-like",
        summary: "Gemma 4 E2B without per-layer embeddings and KV sharing; 0.25-RoPE in global layers",
        config: gemma4_e2b_like,
    },
];

/// The preset called `name`.
pub fn preset(name: &str) -> Option<DecoderConfig> {
    PRESETS
        .iter()
        .find(|preset| preset.name == name)
        .map(|preset| (preset.config)())
}

fn rope(theta: f64) -> EncodingConfig {
    EncodingConfig::new("rope").with("theta", theta)
}

/// Every layer global: the shape of Gemma 1, which the small presets share.
fn all_global(encoding: EncodingConfig) -> (Vec<String>, BTreeMap<String, LayerKind>) {
    let layers = BTreeMap::from([("global".to_owned(), LayerKind::global(encoding))]);
    (vec!["global".to_owned()], layers)
}

/// `locals` local layers, then one global layer, repeated.
fn local_global(
    locals: usize,
    local: LayerKind,
    global: LayerKind,
) -> (Vec<String>, BTreeMap<String, LayerKind>) {
    let mut pattern = vec!["local".to_owned(); locals];
    pattern.push("global".to_owned());
    let layers = BTreeMap::from([("local".to_owned(), local), ("global".to_owned(), global)]);
    (pattern, layers)
}

fn gemma_2b() -> DecoderConfig {
    let (pattern, layers) = all_global(rope(10_000.0));
    DecoderConfig {
        vocab_size: 256_128,
        hidden_size: 2048,
        num_hidden_layers: 18,
        num_attention_heads: 8,
        num_key_value_heads: 1,
        head_dim: 256,
        intermediate_size: 16_384,
        norm_gain: NormGain::OnePlus,
        rms_norm_eps: 1e-6,
        qk_norm: false,
        v_norm: false,
        post_norms: false,
        query_scale: None,
        attn_logit_softcapping: None,
        final_logit_softcapping: None,
        scale_embeddings: true,
        hidden_activation: Activation::GeluTanh,
        tie_word_embeddings: true,
        layer_scalar: false,
        num_kv_shared_layers: 0,
        use_double_wide_mlp: false,
        hidden_size_per_layer_input: 0,
        pattern,
        layers,
    }
}

fn micro() -> DecoderConfig {
    DecoderConfig {
        vocab_size: 257,
        hidden_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        head_dim: 16,
        intermediate_size: 64,
        ..gemma_2b()
    }
}

fn tiny() -> DecoderConfig {
    DecoderConfig {
        vocab_size: 2048,
        hidden_size: 128,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        head_dim: 32,
        intermediate_size: 512,
        ..gemma_2b()
    }
}

fn small() -> DecoderConfig {
    DecoderConfig {
        vocab_size: 8192,
        hidden_size: 256,
        num_hidden_layers: 8,
        num_attention_heads: 4,
        head_dim: 64,
        intermediate_size: 1024,
        ..gemma_2b()
    }
}

fn gpt2_size() -> DecoderConfig {
    DecoderConfig {
        vocab_size: 50_257,
        hidden_size: 768,
        num_hidden_layers: 12,
        num_attention_heads: 12,
        num_key_value_heads: 12,
        head_dim: 64,
        intermediate_size: 2048,
        ..gemma_2b()
    }
}

fn gemma3_1b() -> DecoderConfig {
    let (pattern, layers) = local_global(
        5,
        LayerKind::local(512, rope(10_000.0)),
        LayerKind::global(rope(1_000_000.0)),
    );
    DecoderConfig {
        vocab_size: 262_144,
        hidden_size: 1152,
        num_hidden_layers: 26,
        num_attention_heads: 4,
        head_dim: 256,
        intermediate_size: 6912,
        qk_norm: true,
        post_norms: true,
        pattern,
        layers,
        ..gemma_2b()
    }
}

fn gemma4_e2b_like() -> DecoderConfig {
    let proportional = EncodingConfig::new("prope")
        .with("theta", 1_000_000.0)
        .with("fraction", 0.25);
    let (pattern, layers) = local_global(
        4,
        LayerKind::local(512, rope(10_000.0)),
        LayerKind {
            head_dim: Some(512),
            ..LayerKind::global(proportional)
        },
    );
    DecoderConfig {
        vocab_size: 262_144,
        hidden_size: 1536,
        num_hidden_layers: 35,
        num_attention_heads: 8,
        head_dim: 256,
        intermediate_size: 6144,
        norm_gain: NormGain::Plain,
        qk_norm: true,
        v_norm: true,
        post_norms: true,
        query_scale: Some(1.0),
        final_logit_softcapping: Some(30.0),
        pattern,
        layers,
        ..gemma_2b()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_found_by_name() {
        for entry in PRESETS {
            let config = preset(entry.name).expect("listed presets are found");
            config.validate().expect(entry.name);
        }
        assert!(preset("gigantic").is_none());
    }
}
