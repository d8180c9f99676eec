//! Causal self-attention of one layer.

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{FloatDType, Tensor};

use crate::block::RmsNorm;
use crate::config::{DecoderConfig, LayerKind};
use crate::execution::{Execution, Kernels};
use crate::init::Initializer;
use crate::observation::AttentionInputs;
use crate::pass::KeyValues;
use crate::positions::KindPositions;

/// Projections of one attention layer; weights are `[in, out]`.
#[derive(Module, Debug)]
pub struct Attention {
    q_proj: Param<Tensor<2>>,
    /// Absent where keys and values are those of an earlier layer.
    k_proj: Option<Param<Tensor<2>>>,
    /// Absent there and where keys are values.
    v_proj: Option<Param<Tensor<2>>>,
    o_proj: Param<Tensor<2>>,
    q_norm: Option<RmsNorm>,
    k_norm: Option<RmsNorm>,
    #[module(skip)]
    shape: Shape,
}

/// The numbers attention needs at run time.
#[derive(Clone, Debug)]
struct Shape {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    query_scale: f64,
    softcap: Option<f64>,
    /// Epsilon of the gainless norm on values; `None`: values are not normalised.
    v_norm_eps: Option<f64>,
    /// Whether a later layer uses this one's keys and values.
    stores: bool,
}

impl Attention {
    pub(crate) fn new(
        config: &DecoderConfig,
        kind: &LayerKind,
        layer: usize,
        path: &str,
        init: &Initializer<'_>,
    ) -> Self {
        let (width, head_dim) = (config.hidden_size, config.head_dim_of(kind));
        let (heads, kv_heads) = (config.num_attention_heads, config.kv_heads_of(kind));
        let std = (width as f64).powf(-0.5);
        // Residual projections shrink with depth so that the sum over layers keeps its variance
        // (GPT-2's rule); two of them a layer.
        let out_std =
            ((heads * head_dim) as f64).powf(-0.5) / (2.0 * config.num_hidden_layers as f64).sqrt();
        let matrix = |name: &str, inputs, outputs, std| {
            init.normal(&format!("{path}.{name}"), [inputs, outputs], std)
        };
        let norm = |name: &str| RmsNorm::new(&format!("{path}.{name}"), head_dim, config, init);
        let first_shared = config.first_kv_shared_layer();
        let own = layer < first_shared;
        Self {
            q_proj: matrix("q_proj", width, heads * head_dim, std),
            k_proj: own.then(|| matrix("k_proj", width, kv_heads * head_dim, std)),
            v_proj: (own && !kind.keys_are_values)
                .then(|| matrix("v_proj", width, kv_heads * head_dim, std)),
            o_proj: matrix("o_proj", heads * head_dim, width, out_std),
            q_norm: config.qk_norm.then(|| norm("q_norm")),
            k_norm: (own && config.qk_norm).then(|| norm("k_norm")),
            shape: Shape {
                heads,
                kv_heads,
                head_dim,
                query_scale: config
                    .query_scale
                    .unwrap_or_else(|| (head_dim as f64).powf(-0.5)),
                softcap: config.attn_logit_softcapping,
                v_norm_eps: config.v_norm.then_some(config.rms_norm_eps),
                stores: own && first_shared < config.num_hidden_layers,
            },
        }
    }

    /// Attention over `x` `[N, C]`, `batch` sequences one after the other; returns `[N, C]`, and keys and
    /// values for later layers where there are any: its own, or those it was given.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        batch: usize,
        positions: &KindPositions,
        shared: Option<KeyValues>,
        execution: Execution,
    ) -> (Tensor<2>, Option<KeyValues>) {
        let Shape {
            heads,
            kv_heads,
            head_dim,
            ..
        } = self.shape;
        let rows = x.dims()[0]; // N
        let length = rows / batch; // T
        let project = |weight: &Param<Tensor<2>>, heads: usize| -> Tensor<4> {
            execution
                .linear(x.clone(), weight.val()) // [N, heads*D]
                .reshape([batch, length, heads, head_dim]) // [B, T, heads, D]
        };
        let q = project(&self.q_proj, heads);
        let q = apply(self.q_norm.as_ref(), q, execution);
        let q = place_queries(q, positions, execution);
        let KeyValues { keys, values } = if let Some(k_proj) = &self.k_proj {
            let k = project(k_proj, kv_heads);
            let v = match &self.v_proj {
                Some(weight) => project(weight, kv_heads),
                None => k.clone(),
            };
            let v = match self.shape.v_norm_eps {
                Some(eps) => crate::block::normalize(v, eps, execution),
                None => v,
            };
            let k = apply(self.k_norm.as_ref(), k, execution);
            KeyValues {
                keys: place_keys(k, positions, execution),
                values: v,
            }
        } else {
            let shared = shared.expect("a validated config has an earlier layer of the kind");
            if let Some(tap) = &positions.tap {
                // They were placed in the layer they come from.
                tap.observer.keys(tap.layer, &shared.keys, &shared.keys);
            }
            shared
        };
        let kept = (self.shape.stores || self.k_proj.is_none()).then(|| KeyValues {
            keys: keys.clone(),
            values: values.clone(),
        });
        let mixed = self.mix(q, keys, values, positions, execution); // [B, T, H*D] as [N, H*D]
        (execution.linear(mixed, self.o_proj.val()), kept)
    }

    /// Chooses the implementation; `q` `[B, T, H, D]`, `k` and `v` `[B, T, K, D]`, result `[N, H*D]`.
    fn mix(
        &self,
        q: Tensor<4>,
        k: Tensor<4>,
        v: Tensor<4>,
        positions: &KindPositions,
        execution: Execution,
    ) -> Tensor<2> {
        let [batch, length, heads, head_dim] = q.dims();
        let flat = [batch * length, heads * head_dim];
        if let Some(tap) = &positions.tap {
            let inputs = AttentionInputs {
                q: &q,
                k: &k,
                v: &v,
                scale: self.shape.query_scale,
                softcap: self.shape.softcap,
                positions,
            };
            tap.observer.attention(tap.layer, &inputs);
        }
        let attention = fused::Attention {
            scale: self.shape.query_scale as f32,
            softcap: self.shape.softcap.map(|cap| cap as f32),
            // A window that hides nothing costs some kernels a check.
            window: positions.window.filter(|window| *window < length),
            bias: positions.bias_up_to(length),
        };
        let device = q.device();
        if execution.fused_attention && fused::has_attention(&device, &attention) {
            let [q, k, v] = [q, k, v].map(|x| execution.precision.narrowed(x, &device));
            return fused::attention(q, k, v, attention)
                .cast(FloatDType::F32)
                .reshape(flat);
        }
        let logits = Logits {
            scale: self.shape.query_scale,
            softcap: self.shape.softcap,
        };
        attend(q, k, v, logits, positions, execution).reshape(flat)
    }
}

/// What happens to `q·k` before the softmax, apart from mask and bias.
#[derive(Clone, Copy, Debug)]
struct Logits {
    /// Factor of the dot product.
    scale: f64,
    /// `c * tanh(logit / c)`.
    softcap: Option<f64>,
}

/// Reference attention: `q` `[B, T, H, D]`, `k` and `v` `[B, T, K, D]`, result `[B, T, H, D]`.
///
/// Queries of the heads that share a key-value head are folded into one axis, so grouped-query
/// attention is a plain batched product and keys are never repeated.
fn attend(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    logits: Logits,
    positions: &KindPositions,
    execution: Execution,
) -> Tensor<4> {
    let [batch, length, heads, head_dim] = q.dims();
    let kv_heads = k.dims()[2];
    let groups = heads / kv_heads;
    let device = q.device();
    let q = (q * logits.scale)
        .reshape([batch, length, kv_heads, groups * head_dim]) // [B, T, K, G*D]
        .swap_dims(1, 2); // [B, K, T, G*D]
    let k = k.swap_dims(1, 2); // [B, K, T, D]
    let v = v.swap_dims(1, 2); // [B, K, T, D]
    let chunk = execution.query_chunk.clamp(1, length);
    let mut mixed: Vec<Tensor<4>> = (0..length)
        .step_by(chunk)
        .map(|start| {
            let queries = start..(start + chunk).min(length); // Q of them
            let first_key = positions
                .window
                .map_or(0, |window| (start + 1).saturating_sub(window));
            let keys = first_key..queries.end; // S of them
            let folded = [batch, kv_heads, groups * queries.len(), head_dim];
            let q = q
                .clone()
                .narrow(2, queries.start, queries.len()) // [B, K, Q, G*D]
                .reshape([batch, kv_heads, queries.len(), groups, head_dim]) // [B, K, Q, G, D]
                .swap_dims(2, 3) // [B, K, G, Q, D]
                .reshape(folded);
            let k = k.clone().narrow(2, keys.start, keys.len()); // [B, K, S, D]
            let v = v.clone().narrow(2, keys.start, keys.len()); // [B, K, S, D]
            let scores = execution.precision.matmul(q, k.swap_dims(2, 3)); // [B, K, G*Q, S]
            let scores = soft_cap(scores, logits.softcap).reshape([
                batch,
                kv_heads,
                groups,
                queries.len(),
                keys.len(),
            ]);
            let scores = scores + positions.offsets(queries.len(), keys.len(), chunk, &device);
            let weights =
                softmax(scores, 4).reshape([batch, kv_heads, groups * queries.len(), keys.len()]);
            execution
                .precision
                .matmul(weights, v) // [B, K, G*Q, D]
                .reshape([batch, kv_heads, groups, queries.len(), head_dim]) // [B, K, G, Q, D]
                .permute([0, 3, 1, 2, 4]) // [B, Q, K, G, D]
                .reshape([batch, queries.len(), heads, head_dim]) // [B, Q, H, D]
        })
        .collect();
    match mixed.len() {
        1 => mixed.remove(0),
        _ => Tensor::cat(mixed, 1), // [B, T, H, D]
    }
}

/// `c * tanh(x / c)`; the identity without a cap.
pub(crate) fn soft_cap<const R: usize>(x: Tensor<R>, cap: Option<f64>) -> Tensor<R> {
    match cap {
        Some(cap) => (x / cap).tanh() * cap,
        None => x,
    }
}

fn apply(norm: Option<&RmsNorm>, x: Tensor<4>, execution: Execution) -> Tensor<4> {
    match norm {
        Some(norm) => norm.forward(x, execution),
        None => x,
    }
}

/// Rotation, the encoding's own factor of the queries, and what an intervention takes out of them.
fn place_queries(q: Tensor<4>, positions: &KindPositions, execution: Execution) -> Tensor<4> {
    let length = q.dims()[1];
    let before = positions.tap.as_ref().map(|tap| (tap, q.clone()));
    let q = rotate_at(q, positions, execution);
    let q = match &positions.query_scale {
        Some(scale) => q * scale.clone().narrow(1, 0, length),
        None => q,
    };
    let q = match &positions.mask {
        Some(mask) => q * mask.clone(),
        None => q,
    };
    if let Some((tap, before)) = before {
        tap.observer.queries(tap.layer, &before, &q);
    }
    q
}

/// Rotation of the keys.
fn place_keys(k: Tensor<4>, positions: &KindPositions, execution: Execution) -> Tensor<4> {
    let before = positions.tap.as_ref().map(|tap| (tap, k.clone()));
    let k = rotate_at(k, positions, execution);
    if let Some((tap, before)) = before {
        tap.observer.keys(tap.layer, &before, &k);
    }
    k
}

/// Rotates `x` `[B, T, heads, D]`, position by position, in the half-split pairing (i, i + D/2).
fn rotate_at(x: Tensor<4>, positions: &KindPositions, execution: Execution) -> Tensor<4> {
    let Some((cos, sin)) = &positions.rotary else {
        return x;
    };
    if execution.kernels == Kernels::Fused {
        return fused::rotate(x, cos.clone(), sin.clone());
    }
    let [_, length, _, head_dim] = x.dims();
    let half = head_dim / 2;
    let cos = cos.clone().narrow(1, 0, length); // [1, T, 1, D/2]
    let sin = sin.clone().narrow(1, 0, length);
    let first = x.clone().narrow(3, 0, half); // [B, T, heads, D/2]
    let second = x.narrow(3, half, half);
    Tensor::cat(
        vec![
            first.clone() * cos.clone() - second.clone() * sin.clone(),
            second * cos + first * sin,
        ],
        3,
    )
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use positional::EncodingConfig;

    use super::*;
    use crate::config::LayerKind;
    use crate::precision::Precision;
    use crate::{Decoder, preset};

    fn wave(heads: usize, phase: f32) -> Tensor<4> {
        let shape = [2, 13, heads, 8];
        let values: Vec<f32> = (0..2 * 13 * heads * 8)
            .map(|i| 1.3 * (0.37 * i as f32 + phase).sin())
            .collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    /// With bias, window and soft-cap: what an observer is shown is what the values are mixed with.
    #[test]
    fn observed_weights_mix_values_as_attention_does() {
        let mut config = preset("micro").expect("a preset");
        (config.num_attention_heads, config.num_key_value_heads) = (4, 2);
        let alibi = LayerKind::local(5, EncodingConfig::new("alibi"));
        config.layers = [("global".to_owned(), alibi)].into();
        config.pattern = vec!["global".to_owned()];
        let decoder = Decoder::new(config, 1, &Device::flex()).expect("valid");
        let positions = decoder.positions(13, &Device::flex());
        let positions = positions.layer(0, "global");
        let (q, k, v) = (wave(4, 0.1), wave(2, 0.7), wave(2, 1.9));
        let logits = Logits {
            scale: 0.6,
            softcap: Some(2.0),
        };
        let execution = Execution {
            precision: Precision::F32,
            kernels: Kernels::Plain,
            fused_attention: false,
            query_chunk: 13,
        };
        let mixed = attend(
            q.clone(),
            k.clone(),
            v.clone(),
            logits,
            positions,
            execution,
        );
        let inputs = AttentionInputs {
            q: &q,
            k: &k,
            v: &v,
            scale: logits.scale,
            softcap: logits.softcap,
            positions,
        };
        let repeated = v
            .clone()
            .reshape([2, 13, 2, 1, 8])
            .expand([2, 13, 2, 2, 8])
            .reshape([2, 13, 4, 8])
            .swap_dims(1, 2); // [B, H, T, D]
        let rows = inputs.weights(4).map(|chunk| {
            let v = repeated
                .clone()
                .narrow(2, chunk.keys.start, chunk.keys.len());
            chunk.weights.matmul(v).swap_dims(1, 2) // [B, Q, H, D]
        });
        let observed = Tensor::cat(rows.collect::<Vec<_>>(), 1);
        let worst = (observed - mixed).abs().max().into_data();
        let worst = worst.iter::<f32>().next().expect("a number");
        assert!(worst < 1e-5, "{worst}");
    }
}
