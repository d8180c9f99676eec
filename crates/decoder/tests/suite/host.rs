//! The decoder written again in f64 loops, straight from the formulas, sharing no code with the crate
//! but the encodings' host-side mathematics, which the `positional` crate checks on its own.

use std::collections::BTreeMap;

use decoder::{Activation, Decoder, DecoderConfig, LayerKind, NormGain, named_tensors};
use positional::PositionalEncoding;

type Vector = Vec<f64>;

struct Weights(BTreeMap<String, (Vec<usize>, Vec<f64>)>);

impl Weights {
    /// `x @ W` with `W` stored `[in, out]`.
    fn project(&self, name: &str, x: &[f64]) -> Vector {
        let (shape, values) = &self.0[name];
        (0..shape[1])
            .map(|o| (0..shape[0]).map(|i| x[i] * values[i * shape[1] + o]).sum())
            .collect()
    }

    fn norm(&self, name: &str, x: &[f64], config: &DecoderConfig) -> Vector {
        let (_, gain) = &self.0[&format!("{name}.weight")];
        let one = match config.norm_gain {
            NormGain::OnePlus => 1.0,
            NormGain::Plain => 0.0,
        };
        let normed = unit_rms(x, config.rms_norm_eps);
        normed
            .iter()
            .zip(gain)
            .map(|(x, g)| x * (one + g))
            .collect()
    }
}

fn unit_rms(x: &[f64], eps: f64) -> Vector {
    let mean_square = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
    x.iter().map(|v| v / (mean_square + eps).sqrt()).collect()
}

fn cap(x: f64, cap: Option<f64>) -> f64 {
    cap.map_or(x, |c| c * (x / c).tanh())
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
}

fn activate(x: f64, activation: Activation) -> f64 {
    match activation {
        Activation::GeluTanh => gelu(x),
        Activation::Silu => x / (1.0 + (-x).exp()),
    }
}

fn add(x: &mut [f64], y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// Logits `[T][V]` of one sequence.
pub fn logits(decoder: &Decoder, tokens: &[usize]) -> Vec<f32> {
    let config = decoder.config();
    let weights = Weights(
        named_tensors(decoder)
            .into_iter()
            .map(|t| {
                (
                    t.name,
                    (t.shape, t.values.iter().map(|v| f64::from(*v)).collect()),
                )
            })
            .collect(),
    );
    let (_, embedding) = weights.0["embed_tokens"].clone();
    let rows: Vec<&[f64]> = embedding.chunks(config.hidden_size).collect();
    let scale = if config.scale_embeddings {
        (config.hidden_size as f64).sqrt()
    } else {
        1.0
    };
    let mut stream: Vec<Vector> = tokens
        .iter()
        .map(|id| rows[*id].iter().map(|v| v * scale).collect())
        .collect();
    let inputs: Vec<Vec<Vector>> = tokens
        .iter()
        .zip(&stream)
        .map(|(id, x)| layer_inputs(&weights, config, *id, x))
        .collect();
    let mut shared = BTreeMap::new();
    for layer in 0..config.num_hidden_layers {
        let (name, kind) = config.layer(layer);
        block(
            &mut stream,
            &weights,
            config,
            kind,
            &*decoder.encodings()[name],
            layer,
            shared.entry(name.to_owned()).or_default(),
        );
        for (x, inputs) in stream.iter_mut().zip(&inputs) {
            finish(x, &weights, config, layer, inputs.get(layer));
        }
    }
    let head = if config.tie_word_embeddings {
        embedding.clone()
    } else {
        weights.0["lm_head"].1.clone()
    };
    stream
        .iter()
        .flat_map(|x| {
            let x = weights.norm("norm", x, config);
            head.chunks(config.hidden_size)
                .map(|row| {
                    let dot = row.iter().zip(&x).map(|(a, b)| a * b).sum();
                    cap(dot, config.final_logit_softcapping) as f32
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// A token's inputs of all layers.
fn layer_inputs(weights: &Weights, config: &DecoderConfig, id: usize, x: &[f64]) -> Vec<Vector> {
    let width = config.hidden_size_per_layer_input;
    if width == 0 {
        return Vec::new();
    }
    let (_, table) = &weights.0["per_layer.embed_tokens_per_layer"];
    let all = config.num_hidden_layers * width;
    let projected = weights.project("per_layer.per_layer_model_projection", x);
    let scaled: Vector = projected
        .iter()
        .map(|v| v / (config.hidden_size as f64).sqrt())
        .collect();
    (0..config.num_hidden_layers)
        .map(|layer| {
            let of_layer = layer * width..(layer + 1) * width;
            let name = "per_layer.per_layer_projection_norm";
            let normed = weights.norm(name, &scaled[of_layer.clone()], config);
            let token = &table[id * all..(id + 1) * all][of_layer];
            normed
                .iter()
                .zip(token)
                .map(|(n, e)| (n + e * (width as f64).sqrt()) / 2.0f64.sqrt())
                .collect()
        })
        .collect()
}

/// What Gemma 4 does after the feed-forward layer.
fn finish(
    x: &mut Vector,
    weights: &Weights,
    config: &DecoderConfig,
    layer: usize,
    input: Option<&Vector>,
) {
    let path = |name: &str| format!("layers.{layer}.{name}");
    if let Some(input) = input {
        let gate = weights.project(&path("per_layer.per_layer_input_gate"), x);
        let inner: Vector = gate
            .iter()
            .zip(input)
            .map(|(g, i)| activate(*g, config.hidden_activation) * i)
            .collect();
        let y = weights.project(&path("per_layer.per_layer_projection"), &inner);
        let y = weights.norm(&path("per_layer.post_per_layer_input_norm"), &y, config);
        add(x, &y);
    }
    if config.layer_scalar {
        let scalar = weights.0[&path("layer_scalar")].1[0];
        for v in x.iter_mut() {
            *v *= scalar;
        }
    }
}

/// Keys and values of one layer, `[T][K][D]` each.
type KeyValues = (Vec<Vec<Vector>>, Vec<Vec<Vector>>);

fn block(
    stream: &mut [Vector],
    weights: &Weights,
    config: &DecoderConfig,
    kind: &LayerKind,
    encoding: &dyn PositionalEncoding,
    layer: usize,
    shared: &mut KeyValues,
) {
    let path = |name: &str| format!("layers.{layer}.{name}");
    let normed: Vec<Vector> = stream
        .iter()
        .map(|x| weights.norm(&path("input_layernorm"), x, config))
        .collect();
    let own = layer + config.num_kv_shared_layers < config.num_hidden_layers;
    if own {
        *shared = key_values(&normed, weights, config, kind, encoding, &path("self_attn"));
    }
    let attended = attention(
        &normed,
        shared,
        weights,
        config,
        kind,
        encoding,
        &path("self_attn"),
    );
    for (x, mut y) in stream.iter_mut().zip(attended) {
        if config.post_norms {
            y = weights.norm(&path("post_attention_layernorm"), &y, config);
        }
        add(x, &y);
        let h = weights.norm(&path("pre_feedforward_layernorm"), x, config);
        let gate = weights.project(&path("mlp.gate_proj"), &h);
        let up = weights.project(&path("mlp.up_proj"), &h);
        let inner: Vector = gate
            .iter()
            .zip(&up)
            .map(|(g, u)| activate(*g, config.hidden_activation) * u)
            .collect();
        let mut y = weights.project(&path("mlp.down_proj"), &inner);
        if config.post_norms {
            y = weights.norm(&path("post_feedforward_layernorm"), &y, config);
        }
        add(x, &y);
    }
}

fn key_values(
    x: &[Vector],
    weights: &Weights,
    config: &DecoderConfig,
    kind: &LayerKind,
    encoding: &dyn PositionalEncoding,
    path: &str,
) -> KeyValues {
    let d = config.head_dim_of(kind);
    let split = |x: Vector| -> Vec<Vector> { x.chunks(d).map(<[f64]>::to_vec).collect() };
    let raw_keys: Vec<Vec<Vector>> = x
        .iter()
        .map(|x| split(weights.project(&format!("{path}.k_proj"), x)))
        .collect();
    let keys = raw_keys
        .iter()
        .enumerate()
        .map(|(t, heads)| {
            heads
                .iter()
                .map(|head| {
                    let head = if config.qk_norm {
                        weights.norm(&format!("{path}.k_norm"), head, config)
                    } else {
                        head.clone()
                    };
                    match encoding.spectrum() {
                        Some(spectrum) => spectrum.rotate(&head, t),
                        None => head,
                    }
                })
                .collect()
        })
        .collect();
    let values = x
        .iter()
        .zip(&raw_keys)
        .map(|(x, raw)| {
            let heads = if kind.keys_are_values {
                raw.clone()
            } else {
                split(weights.project(&format!("{path}.v_proj"), x))
            };
            if config.v_norm {
                heads
                    .iter()
                    .map(|h| unit_rms(h, config.rms_norm_eps))
                    .collect()
            } else {
                heads
            }
        })
        .collect();
    (keys, values)
}

fn attention(
    x: &[Vector],
    (keys, values): &KeyValues,
    weights: &Weights,
    config: &DecoderConfig,
    kind: &LayerKind,
    encoding: &dyn PositionalEncoding,
    path: &str,
) -> Vec<Vector> {
    let d = config.head_dim_of(kind);
    let kv_heads = config.kv_heads_of(kind);
    let per_group = config.num_attention_heads / kv_heads;
    let split = |x: Vector| -> Vec<Vector> { x.chunks(d).map(<[f64]>::to_vec).collect() };
    let normed = |name: &str, head: &Vector| {
        if config.qk_norm {
            weights.norm(&format!("{path}.{name}"), head, config)
        } else {
            head.clone()
        }
    };
    let place = |head: Vector, position: usize| match encoding.spectrum() {
        Some(spectrum) => spectrum.rotate(&head, position),
        None => head,
    };
    let queries: Vec<Vec<Vector>> = x
        .iter()
        .enumerate()
        .map(|(t, x)| {
            split(weights.project(&format!("{path}.q_proj"), x))
                .iter()
                .map(|head| {
                    let q = place(normed("q_norm", head), t);
                    q.iter().map(|v| v * encoding.logit_scale(t)).collect()
                })
                .collect()
        })
        .collect();
    let scale = config.query_scale.unwrap_or((d as f64).powf(-0.5));
    (0..x.len())
        .map(|i| {
            let mixed: Vector = (0..config.num_attention_heads)
                .flat_map(|h| {
                    let first = kind.sliding_window.map_or(0, |w| (i + 1).saturating_sub(w));
                    let logits: Vector = (first..=i)
                        .map(|j| {
                            let dot: f64 = queries[i][h]
                                .iter()
                                .zip(&keys[j][h / per_group])
                                .map(|(a, b)| a * b)
                                .sum();
                            cap(scale * dot, config.attn_logit_softcapping)
                                + encoding.bias(h, i - j).unwrap_or(0.0)
                        })
                        .collect();
                    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let weights: Vector = logits.iter().map(|l| (l - largest).exp()).collect();
                    let total: f64 = weights.iter().sum();
                    (0..d)
                        .map(|c| {
                            weights
                                .iter()
                                .enumerate()
                                .map(|(n, w)| w / total * values[first + n][h / per_group][c])
                                .sum()
                        })
                        .collect::<Vector>()
                })
                .collect();
            weights.project(&format!("{path}.o_proj"), &mixed)
        })
        .collect()
}
