//! The operations on the CPU backend: shapes out of tensors, kernels over their slices.

use std::borrow::Cow;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, TensorData};
use cpu_kernels::{
    adamw, attention, embedding, geglu, linear, linear_cross_entropy, rms_norm, rotary,
};

use crate::ops::{AdamW, Attention, FusedOps, Norm, PlainOps};

/// A tensor of the CPU backend.
pub(crate) type Cpu = FloatTensor<Flex>;

impl FusedOps for Flex {
    fn fused_linear(x: Cpu, weight: Cpu) -> Cpu {
        let (x, weight) = (contiguous(x), contiguous(weight));
        let shape = linear_shape(&x, &weight);
        let mut out = vec![0.0; shape.rows * shape.outputs];
        linear::forward(values(&x), values(&weight), shape, &mut out);
        tensor(out, &[shape.rows, shape.outputs])
    }

    fn fused_rms_norm(x: Cpu, gain: Cpu, norm: Norm) -> Cpu {
        rms_norm_forward(&contiguous(x), Some(&contiguous(gain)), norm).0
    }

    fn fused_normalize(x: Cpu, epsilon: f32) -> Cpu {
        rms_norm_forward(&contiguous(x), None, gainless(epsilon)).0
    }

    fn fused_rotate(x: Cpu, cos: Cpu, sin: Cpu) -> Cpu {
        let x = contiguous(x);
        let shape = rotary_shape(&x);
        let mut out = vec![0.0; values(&x).len()];
        rotary::rotate(
            values(&x),
            values(&contiguous(cos)),
            values(&contiguous(sin)),
            shape,
            &mut out,
        );
        like(out, &x)
    }

    fn fused_geglu(gate: Cpu, up: Cpu) -> Cpu {
        let (gate, up) = (contiguous(gate), contiguous(up));
        let mut out = vec![0.0; values(&gate).len()];
        geglu::forward(values(&gate), values(&up), &mut out);
        like(out, &gate)
    }

    fn fused_attention(q: Cpu, k: Cpu, v: Cpu, options: Attention) -> Cpu {
        attention_forward(&contiguous(q), &contiguous(k), &contiguous(v), &options).0
    }

    fn fused_embedding(weight: Cpu, ids: IntTensor<Self>, scale: f32) -> Cpu {
        let weight = contiguous(weight);
        let ids = token_ids(&ids);
        let width = weight.shape()[1];
        let mut out = vec![0.0; ids.len() * width];
        embedding::forward(values(&weight), &ids, scale, &mut out);
        tensor(out, &[ids.len(), width])
    }

    fn fused_loss(
        hidden: Cpu,
        weight: Cpu,
        targets: IntTensor<Self>,
        softcap: Option<f32>,
        scale: f32,
    ) -> Cpu {
        let losses = Self::fused_token_losses(hidden, weight, targets, softcap);
        summed(values(&losses), scale)
    }
}

impl PlainOps for Flex {
    fn fused_token_losses(
        hidden: Cpu,
        weight: Cpu,
        targets: IntTensor<Self>,
        softcap: Option<f32>,
    ) -> Cpu {
        let targets = token_ids(&targets);
        let mut losses = vec![0.0; targets.len()];
        let (hidden, weight) = (contiguous(hidden), contiguous(weight));
        linear_cross_entropy::losses(
            values(&hidden),
            values(&weight),
            &targets,
            softcap,
            &mut losses,
        );
        let shape = [losses.len()];
        tensor(losses, &shape)
    }

    fn fused_adamw(
        param: Cpu,
        gradient: Cpu,
        first: Cpu,
        second: Cpu,
        constants: AdamW,
    ) -> (Cpu, Cpu, Cpu) {
        let gradient = contiguous(gradient);
        let [mut param, mut first, mut second] = [param, first, second].map(whole);
        adamw::step(
            param.storage_mut(),
            values(&gradient),
            first.storage_mut(),
            second.storage_mut(),
            &constants,
        );
        (param, first, second)
    }

    fn fused_sum_of_squares(x: Cpu) -> Cpu {
        let sum = adamw::sum_of_squares(values(&contiguous(x)));
        tensor(vec![sum as f32], &[1])
    }
}

/// The norm, and the `1 / sqrt(mean(x^2) + epsilon)` of each row.
pub(crate) fn rms_norm_forward(x: &Cpu, gain: Option<&Cpu>, norm: Norm) -> (Cpu, Vec<f32>) {
    let width = x.shape().last().copied().unwrap_or(1);
    let mut out = vec![0.0; values(x).len()];
    let mut inverse_rms = vec![0.0; out.len() / width];
    rms_norm::forward(
        values(x),
        gain.map(values),
        norm.offset,
        norm.epsilon,
        &mut out,
        &mut inverse_rms,
    );
    (like(out, x), inverse_rms)
}

/// A norm whose gain is one.
pub(crate) fn gainless(epsilon: f32) -> Norm {
    Norm {
        offset: 1.0,
        epsilon,
    }
}

/// Attention, and the log-sum-exp `[B, H, T]` of each query's logits.
pub(crate) fn attention_forward(q: &Cpu, k: &Cpu, v: &Cpu, options: &Attention) -> (Cpu, Vec<f32>) {
    let shape = attention_shape(q, k);
    let mut out = vec![0.0; values(q).len()];
    let mut lse = vec![0.0; shape.batch * shape.heads * shape.length];
    attention::forward(
        values(q),
        values(k),
        values(v),
        shape,
        &kernel_options(options),
        &mut out,
        &mut lse,
    );
    (like(out, q), lse)
}

pub(crate) fn kernel_options(options: &Attention) -> attention::Options<'_> {
    attention::Options {
        scale: options.scale,
        softcap: options.softcap,
        window: options.window,
        bias: options.bias.as_ref().map(|bias| bias.as_slice()),
    }
}

pub(crate) fn attention_shape(q: &Cpu, k: &Cpu) -> attention::Shape {
    let [batch, length, heads, head_dim] = q.shape().dims();
    let [_, _, kv_heads, _] = k.shape().dims();
    attention::Shape {
        batch,
        length,
        heads,
        kv_heads,
        head_dim,
    }
}

pub(crate) fn rotary_shape(x: &Cpu) -> rotary::Shape {
    let [batch, length, heads, head_dim] = x.shape().dims();
    rotary::Shape {
        batch,
        length,
        heads,
        head_dim,
    }
}

pub(crate) fn linear_shape(x: &Cpu, weight: &Cpu) -> linear::Shape {
    let [rows, inputs] = x.shape().dims();
    let [_, outputs] = weight.shape().dims();
    linear::Shape {
        rows,
        inputs,
        outputs,
    }
}

/// `scale` times the sum of `losses`, `[1]`; added up in f64.
pub(crate) fn summed(losses: &[f32], scale: f32) -> Cpu {
    let sum: f64 = losses.iter().map(|loss| f64::from(*loss)).sum();
    tensor(vec![(sum * f64::from(scale)) as f32], &[1])
}

/// The elements of a contiguous tensor.
pub(crate) fn values(x: &Cpu) -> &[f32] {
    let (start, end) = x
        .layout()
        .contiguous_offsets()
        .expect("a contiguous tensor");
    &x.storage()[start..end]
}

/// Token ids as the kernels take them.
pub(crate) fn token_ids(ids: &IntTensor<Flex>) -> Cow<'_, [i32]> {
    match (ids.dtype(), ids.layout().contiguous_offsets()) {
        (DType::I32, Some((start, end))) => Cow::Borrowed(&ids.storage::<i32>()[start..end]),
        _ => Cow::Owned(ids.clone().into_data().iter::<i32>().collect()),
    }
}

pub(crate) fn contiguous(x: Cpu) -> Cpu {
    if x.is_contiguous() {
        x
    } else {
        x.to_contiguous()
    }
}

/// A tensor whose storage holds its elements and nothing else.
fn whole(x: Cpu) -> Cpu {
    let x = contiguous(x);
    if values(&x).len() == x.storage::<f32>().len() {
        return x;
    }
    like(values(&x).to_vec(), &x)
}

pub(crate) fn tensor(values: Vec<f32>, shape: &[usize]) -> Cpu {
    Cpu::from_data(TensorData::new(values, shape.to_vec()))
}

/// `values` in the shape of `x`.
pub(crate) fn like(values: Vec<f32>, x: &Cpu) -> Cpu {
    Cpu::from_data(TensorData::new(values, x.shape()))
}
