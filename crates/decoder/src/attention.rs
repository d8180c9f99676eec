//! Causal self-attention of one layer.

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{FloatDType, Tensor};

use crate::block::RmsNorm;
use crate::config::{DecoderConfig, LayerKind};
use crate::execution::{Execution, Kernels};
use crate::init::Initializer;
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
        let KeyValues { keys, values } = match &self.k_proj {
            Some(k_proj) => {
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
                    keys: rotate_at(k, positions, execution),
                    values: v,
                }
            }
            None => shared.expect("a validated config has an earlier layer of the kind"),
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

/// Rotation, and the encoding's own factor of the queries.
fn place_queries(q: Tensor<4>, positions: &KindPositions, execution: Execution) -> Tensor<4> {
    let length = q.dims()[1];
    let q = rotate_at(q, positions, execution);
    match &positions.query_scale {
        Some(scale) => q * scale.clone().narrow(1, 0, length),
        None => q,
    }
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
