//! The operations on the CPU backend: shapes out of tensors, kernels over their slices.

use std::borrow::Cow;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, TensorData};
use cpu_kernels::{
    adamw, attention, embedding, geglu, linear, linear_cross_entropy, rms_norm, rotary,
};

use crate::ops::{AdamW, Attention, FusedOps, GradientOps, Head, Norm, PlainOps};
use crate::profile::{timed, timed_product};

/// A tensor of the CPU backend.
type Cpu = FloatTensor<Flex>;

impl FusedOps for Flex {
    fn fused_linear(x: Cpu, weight: Cpu) -> Cpu {
        let (x, weight) = (contiguous(x), contiguous(weight));
        let shape = linear_shape(&x, &weight);
        let mut out = zeros(shape.rows * shape.outputs);
        timed_product("linear", sizes(shape), || {
            linear::forward(values(&x), values(&weight), shape, &mut out);
        });
        tensor(out, &[shape.rows, shape.outputs])
    }

    fn fused_rms_norm(x: Cpu, gain: Cpu, norm: Norm) -> Cpu {
        Self::fused_rms_norm_forward(x, gain, norm).0
    }

    fn fused_normalize(x: Cpu, epsilon: f32) -> Cpu {
        Self::fused_normalize_forward(x, epsilon).0
    }

    fn fused_rotate(x: Cpu, cos: Cpu, sin: Cpu) -> Cpu {
        rotated("rotate", x, cos, sin, rotary::rotate)
    }

    fn fused_geglu(gate: Cpu, up: Cpu) -> Cpu {
        let (gate, up) = (contiguous(gate), contiguous(up));
        let mut out = zeros(values(&gate).len());
        timed("geglu", 0.0, || {
            geglu::forward(values(&gate), values(&up), &mut out);
        });
        like(out, &gate)
    }

    fn fused_attention(q: Cpu, k: Cpu, v: Cpu, attention: Attention) -> Cpu {
        Self::fused_attention_forward(q, k, v, attention).0
    }

    fn fused_embedding(weight: Cpu, ids: IntTensor<Self>, scale: f32) -> Cpu {
        let weight = contiguous(weight);
        let ids = token_ids(&ids);
        let width = weight.shape()[1];
        let mut out = zeros(ids.len() * width);
        timed("embedding", 0.0, || {
            embedding::forward(values(&weight), &ids, scale, &mut out);
        });
        tensor(out, &[ids.len(), width])
    }

    fn fused_loss(hidden: Cpu, weight: Cpu, targets: IntTensor<Self>, head: Head) -> Cpu {
        let losses = Self::fused_token_losses(hidden, weight, targets, head.softcap);
        summed(values(&losses), head.scale)
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
        let mut losses = zeros(targets.len());
        let (hidden, weight) = (contiguous(hidden), contiguous(weight));
        timed("loss", head_flops(&targets, &weight), || {
            linear_cross_entropy::losses(
                values(&hidden),
                values(&weight),
                &targets,
                softcap,
                &mut losses,
            );
        });
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
        timed("adamw", 0.0, || {
            adamw::step(
                param.storage_mut(),
                values(&gradient),
                first.storage_mut(),
                second.storage_mut(),
                &constants,
            );
        });
        (param, first, second)
    }

    fn fused_sum_of_squares(x: Cpu) -> Cpu {
        let x = contiguous(x);
        let sum = timed("gradient norm", 0.0, || adamw::sum_of_squares(values(&x)));
        tensor(vec![sum as f32], &[1])
    }
}

impl GradientOps for Flex {
    fn fused_linear_grad_input(grad: Cpu, weight: Cpu) -> Cpu {
        let (grad, weight) = (contiguous(grad), contiguous(weight));
        let [rows, outputs] = grad.shape().dims();
        let [inputs, _] = weight.shape().dims();
        let shape = linear::Shape {
            rows,
            inputs,
            outputs,
        };
        let mut grad_x = zeros(rows * inputs);
        timed_product("linear, gradient of input", sizes(shape), || {
            linear::grad_input(values(&grad), values(&weight), shape, &mut grad_x);
        });
        tensor(grad_x, &[rows, inputs])
    }

    fn fused_linear_grad_weight(x: Cpu, grad: Cpu) -> Cpu {
        let (x, grad) = (contiguous(x), contiguous(grad));
        let [rows, inputs] = x.shape().dims();
        let [_, outputs] = grad.shape().dims();
        let shape = linear::Shape {
            rows,
            inputs,
            outputs,
        };
        let mut grad_weight = zeros(inputs * outputs);
        timed_product("linear, gradient of weight", sizes(shape), || {
            linear::grad_weight(values(&x), values(&grad), shape, &mut grad_weight);
        });
        tensor(grad_weight, &[inputs, outputs])
    }

    fn fused_rms_norm_forward(x: Cpu, gain: Cpu, norm: Norm) -> (Cpu, Cpu) {
        normalized(&contiguous(x), Some(&contiguous(gain)), norm)
    }

    fn fused_rms_norm_backward(
        x: Cpu,
        gain: Cpu,
        inverse_rms: Cpu,
        grad: Cpu,
        norm: Norm,
    ) -> (Cpu, Cpu) {
        let (x, gain, grad) = (contiguous(x), contiguous(gain), contiguous(grad));
        let mut grad_x = zeros(values(&x).len());
        let mut grad_gain = zeros(values(&gain).len());
        timed("norm, gradient", 0.0, || {
            rms_norm::backward(
                values(&x),
                Some(values(&gain)),
                norm.offset,
                values(&inverse_rms),
                values(&grad),
                &mut grad_x,
                Some(&mut grad_gain),
            );
        });
        (like(grad_x, &x), like(grad_gain, &gain))
    }

    fn fused_normalize_forward(x: Cpu, epsilon: f32) -> (Cpu, Cpu) {
        let norm = Norm {
            offset: GAINLESS,
            epsilon,
        };
        normalized(&contiguous(x), None, norm)
    }

    fn fused_normalize_backward(x: Cpu, inverse_rms: Cpu, grad: Cpu) -> Cpu {
        let (x, grad) = (contiguous(x), contiguous(grad));
        let mut grad_x = zeros(values(&x).len());
        timed("norm, gradient", 0.0, || {
            rms_norm::backward(
                values(&x),
                None,
                GAINLESS,
                values(&inverse_rms),
                values(&grad),
                &mut grad_x,
                None,
            );
        });
        like(grad_x, &x)
    }

    fn fused_rotate_backward(grad: Cpu, cos: Cpu, sin: Cpu) -> Cpu {
        rotated("rotate, gradient", grad, cos, sin, rotary::rotate_back)
    }

    fn fused_geglu_backward(gate: Cpu, up: Cpu, grad: Cpu) -> (Cpu, Cpu) {
        let (gate, up, grad) = (contiguous(gate), contiguous(up), contiguous(grad));
        let mut grad_gate = zeros(values(&gate).len());
        let mut grad_up = zeros(values(&up).len());
        timed("geglu, gradient", 0.0, || {
            geglu::backward(
                values(&gate),
                values(&up),
                values(&grad),
                &mut grad_gate,
                &mut grad_up,
            );
        });
        (like(grad_gate, &gate), like(grad_up, &up))
    }

    fn fused_attention_forward(q: Cpu, k: Cpu, v: Cpu, attention: Attention) -> (Cpu, Cpu) {
        let [q, k, v] = [q, k, v].map(contiguous);
        let shape = attention_shape(&q, &k);
        let mut out = zeros(values(&q).len());
        let mut lse = zeros(shape.batch * shape.heads * shape.length);
        let flops = 2.0 * product_flops(shape, &attention); // scores, mixture
        timed("attention", flops, || {
            attention::forward(
                values(&q),
                values(&k),
                values(&v),
                shape,
                &kernel_options(&attention),
                &mut out,
                &mut lse,
            );
        });
        let of_queries = [shape.batch, shape.heads, shape.length];
        (like(out, &q), tensor(lse, &of_queries))
    }

    fn fused_attention_backward(
        q: Cpu,
        k: Cpu,
        v: Cpu,
        out: Cpu,
        lse: Cpu,
        grad: Cpu,
        attention: Attention,
    ) -> (Cpu, Cpu, Cpu) {
        let [q, k, v, grad] = [q, k, v, grad].map(contiguous);
        let shape = attention_shape(&q, &k);
        let [mut grad_q, mut grad_k, mut grad_v] = [&q, &k, &v].map(|x| zeros(values(x).len()));
        // The scores again, and the gradients of weights, values, queries, keys.
        let flops = 5.0 * product_flops(shape, &attention);
        timed("attention, gradient", flops, || {
            attention::backward(
                values(&q),
                values(&k),
                values(&v),
                values(&out),
                values(&lse),
                values(&grad),
                shape,
                &kernel_options(&attention),
                &mut grad_q,
                &mut grad_k,
                &mut grad_v,
            );
        });
        (like(grad_q, &q), like(grad_k, &k), like(grad_v, &v))
    }

    fn fused_embedding_backward(grad: Cpu, ids: IntTensor<Self>, rows: usize, scale: f32) -> Cpu {
        let grad = contiguous(grad);
        let width = grad.shape()[1];
        let mut grad_weight = zeros(rows * width);
        timed("embedding, gradient", 0.0, || {
            embedding::grad_weight(&token_ids(&ids), values(&grad), scale, &mut grad_weight);
        });
        tensor(grad_weight, &[rows, width])
    }

    fn fused_loss_and_gradients(
        hidden: Cpu,
        weight: Cpu,
        targets: IntTensor<Self>,
        head: Head,
    ) -> (Cpu, Cpu, Cpu) {
        let (hidden, weight) = (contiguous(hidden), contiguous(weight));
        let targets = token_ids(&targets);
        let mut losses = zeros(targets.len());
        let mut grad_hidden = zeros(values(&hidden).len());
        let mut grad_weight = zeros(values(&weight).len());
        let flops = 3.0 * head_flops(&targets, &weight);
        timed("loss and its gradients", flops, || {
            linear_cross_entropy::losses_and_gradients(
                values(&hidden),
                values(&weight),
                &targets,
                head.softcap,
                head.scale,
                &mut losses,
                &mut grad_hidden,
                &mut grad_weight,
            );
        });
        (
            summed(&losses, head.scale),
            like(grad_hidden, &hidden),
            like(grad_weight, &weight),
        )
    }

    fn fused_scaled(x: Cpu, factor: Cpu) -> Cpu {
        let factor = values(&contiguous(factor))[0];
        if factor.to_bits() == 1.0f32.to_bits() {
            return x;
        }
        let scaled = values(&contiguous(x.clone()))
            .iter()
            .map(|value| value * factor)
            .collect();
        like(scaled, &x)
    }
}

/// The offset of a norm whose gain is one.
const GAINLESS: f32 = 1.0;

/// The norm, and the `1 / sqrt(mean(x^2) + epsilon)` of each row.
fn normalized(x: &Cpu, gain: Option<&Cpu>, norm: Norm) -> (Cpu, Cpu) {
    let width = x.shape().last().copied().unwrap_or(1);
    let mut out = zeros(values(x).len());
    let mut inverse_rms = zeros(out.len() / width);
    timed("norm", 0.0, || {
        rms_norm::forward(
            values(x),
            gain.map(values),
            norm.offset,
            norm.epsilon,
            &mut out,
            &mut inverse_rms,
        );
    });
    let rows = [inverse_rms.len()];
    (like(out, x), tensor(inverse_rms, &rows))
}

/// Either direction of the rotation of `x` `[B, T, heads, D]`.
fn rotated(
    operation: &'static str,
    x: Cpu,
    cos: Cpu,
    sin: Cpu,
    rotate: impl FnOnce(&[f32], &[f32], &[f32], rotary::Shape, &mut [f32]),
) -> Cpu {
    let [x, cos, sin] = [x, cos, sin].map(contiguous);
    let [batch, length, heads, head_dim] = x.shape().dims();
    let shape = rotary::Shape {
        batch,
        length,
        heads,
        head_dim,
    };
    let mut out = zeros(values(&x).len());
    timed(operation, 0.0, || {
        rotate(values(&x), values(&cos), values(&sin), shape, &mut out);
    });
    like(out, &x)
}

fn kernel_options(attention: &Attention) -> attention::Options<'_> {
    attention::Options {
        scale: attention.scale,
        softcap: attention.softcap,
        window: attention.window,
        bias: attention.bias.as_ref().map(|bias| bias.as_slice()),
    }
}

fn attention_shape(q: &Cpu, k: &Cpu) -> attention::Shape {
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

fn linear_shape(x: &Cpu, weight: &Cpu) -> linear::Shape {
    let [rows, inputs] = x.shape().dims();
    let [_, outputs] = weight.shape().dims();
    linear::Shape {
        rows,
        inputs,
        outputs,
    }
}

/// As the profile lists them.
fn sizes(shape: linear::Shape) -> [usize; 3] {
    [shape.rows, shape.inputs, shape.outputs]
}

fn head_flops(targets: &[i32], weight: &Cpu) -> f64 {
    2.0 * (targets.len() * values(weight).len()) as f64
}

/// Operations of one product over the visible keys: half of all, or a window of them.
fn product_flops(shape: attention::Shape, attention: &Attention) -> f64 {
    let (length, window) = (shape.length, attention.window.unwrap_or(shape.length));
    let window = window.min(length);
    let keys = window * (window + 1) / 2 + (length - window) * window;
    2.0 * (shape.batch * shape.heads * shape.head_dim * keys) as f64
}

/// `scale` times the sum of `losses`, `[1]`; added up in f64.
fn summed(losses: &[f32], scale: f32) -> Cpu {
    let sum: f64 = losses.iter().map(|loss| f64::from(*loss)).sum();
    tensor(vec![(sum * f64::from(scale)) as f32], &[1])
}

/// Where a kernel writes its result.
fn zeros(count: usize) -> Vec<f32> {
    timed("clearing memory", 0.0, || vec![0.0; count])
}

/// The elements of a contiguous tensor.
fn values(x: &Cpu) -> &[f32] {
    let (start, end) = x
        .layout()
        .contiguous_offsets()
        .expect("a contiguous tensor");
    &x.storage()[start..end]
}

/// Token ids as the kernels take them.
fn token_ids(ids: &IntTensor<Flex>) -> Cow<'_, [i32]> {
    match (ids.dtype(), ids.layout().contiguous_offsets()) {
        (DType::I32, Some((start, end))) => Cow::Borrowed(&ids.storage::<i32>()[start..end]),
        _ => Cow::Owned(ids.clone().into_data().iter::<i32>().collect()),
    }
}

fn contiguous(x: Cpu) -> Cpu {
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

fn tensor(values: Vec<f32>, shape: &[usize]) -> Cpu {
    Cpu::from_data(TensorData::new(values, shape.to_vec()))
}

/// `values` in the shape of `x`.
fn like(values: Vec<f32>, x: &Cpu) -> Cpu {
    Cpu::from_data(TensorData::new(values, x.shape()))
}
