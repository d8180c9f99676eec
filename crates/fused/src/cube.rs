//! The operations on GPUs: our kernels where Burn has none or slow ones, its matrix products, and cubek's
//! attention (`cube_attention.rs`).
//!
//! Tensors are f32, but that norms, rotations, `GeGLU` and attention also take bf16. Buffers that a kernel
//! writes to are fresh or not shared.

use burn::backend::TensorMetadata;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, FloatDType, Shape, Slice};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::{copy_contiguous, into_contiguous};
use burn_cubecl::tensor::CubeTensor;
use gpu_kernels::{ElemType, Handle, adamw, cross_entropy, embedding, geglu, rms_norm, rotary};

use crate::cube_attention;
use crate::cube_product::product;
use crate::ops::{AdamW, Attention, FusedOps, GradientOps, Head, Norm, PlainOps};

pub(crate) type Gpu = FloatTensor<CubeBackend>;

/// Most logits alive at once, in elements: half a GiB of f32.
const LOGITS: usize = 1 << 27;

impl FusedOps for CubeBackend {
    fn fused_linear(x: Gpu, weight: Gpu) -> Gpu {
        product(x, weight)
    }

    fn fused_rms_norm(x: Gpu, gain: Gpu, norm: Norm) -> Gpu {
        Self::fused_rms_norm_forward(x, gain, norm).0
    }

    fn fused_normalize(x: Gpu, epsilon: f32) -> Gpu {
        Self::fused_normalize_forward(x, epsilon).0
    }

    fn fused_rotate(x: Gpu, cos: Gpu, sin: Gpu) -> Gpu {
        rotated(x, cos, sin, rotary::rotate)
    }

    fn fused_geglu(gate: Gpu, up: Gpu) -> Gpu {
        let (gate, up) = (into_contiguous(gate), into_contiguous(up));
        let length = gate.shape().num_elements();
        let out = geglu::forward(
            &gate.client,
            &gate.handle,
            &up.handle,
            length,
            elements(&gate),
        );
        like(out, &gate)
    }

    fn fused_attention(q: Gpu, k: Gpu, v: Gpu, attention: Attention) -> Gpu {
        Self::fused_attention_forward(q, k, v, attention).0
    }

    fn fused_embedding(weight: Gpu, ids: IntTensor<Self>, scale: f32) -> Gpu {
        let (weight, ids) = (into_contiguous(weight), into_contiguous(ids));
        let [vocabulary, width] = weight.shape().dims();
        let shape = embedding_shape(vocabulary, width, &ids);
        let out = embedding::forward(&weight.client, &weight.handle, &ids.handle, scale, shape);
        of_shape(out, &weight, &[shape.tokens, width])
    }

    fn fused_loss(hidden: Gpu, weight: Gpu, targets: IntTensor<Self>, head: Head) -> Gpu {
        let losses = token_losses(hidden, weight, targets, head);
        Self::float_mul_scalar(Self::float_sum(losses), head.scale.into())
    }
}

impl PlainOps for CubeBackend {
    fn fused_token_losses(
        hidden: Gpu,
        weight: Gpu,
        targets: IntTensor<Self>,
        softcap: Option<f32>,
    ) -> Gpu {
        let head = Head {
            softcap,
            scale: 1.0,
            bf16: false,
        };
        token_losses(hidden, weight, targets, head)
    }

    fn fused_adamw(
        param: Gpu,
        gradient: Gpu,
        first: Gpu,
        second: Gpu,
        constants: AdamW,
    ) -> (Gpu, Gpu, Gpu) {
        let gradient = into_contiguous(gradient);
        let [param, first, second] = [param, first, second].map(unshared);
        let length = param.shape().num_elements();
        adamw::step(
            &param.client,
            &param.handle,
            &gradient.handle,
            &first.handle,
            &second.handle,
            length,
            &adamw::Constants {
                learning_rate: constants.learning_rate,
                beta1: constants.beta1,
                beta2: constants.beta2,
                epsilon: constants.epsilon,
                weight_decay: constants.weight_decay,
                gradient_scale: constants.gradient_scale,
                step: constants.step,
            },
        );
        (param, first, second)
    }

    fn fused_sum_of_squares(x: Gpu) -> Gpu {
        let x = into_contiguous(x);
        let sum = adamw::sum_of_squares(&x.client, &x.handle, x.shape().num_elements());
        of_shape(sum, &x, &[1])
    }
}

impl GradientOps for CubeBackend {
    fn fused_linear_grad_input(grad: Gpu, weight: Gpu) -> Gpu {
        product(grad, Self::float_transpose(weight))
    }

    fn fused_linear_grad_weight(x: Gpu, grad: Gpu) -> Gpu {
        product(Self::float_transpose(x), grad)
    }

    fn fused_rms_norm_forward(x: Gpu, gain: Gpu, norm: Norm) -> (Gpu, Gpu) {
        normalized(into_contiguous(x), Some(&into_contiguous(gain)), norm)
    }

    fn fused_rms_norm_backward(
        x: Gpu,
        gain: Gpu,
        inverse_rms: Gpu,
        grad: Gpu,
        norm: Norm,
    ) -> (Gpu, Gpu) {
        let [x, gain, grad] = [x, gain, grad].map(into_contiguous);
        let (grad_x, grad_gain) = rms_norm::backward(
            &x.client,
            &x.handle,
            Some(&gain.handle),
            norm.offset,
            &inverse_rms.handle,
            &grad.handle,
            norm_shape(&x),
        );
        let grad_gain = grad_gain.expect("a gain has a gradient");
        (like(grad_x, &x), like(grad_gain, &gain))
    }

    fn fused_normalize_forward(x: Gpu, epsilon: f32) -> (Gpu, Gpu) {
        let norm = Norm {
            offset: 0.0,
            epsilon,
        };
        normalized(into_contiguous(x), None, norm)
    }

    fn fused_normalize_backward(x: Gpu, inverse_rms: Gpu, grad: Gpu) -> Gpu {
        let [x, grad] = [x, grad].map(into_contiguous);
        let (grad_x, _) = rms_norm::backward(
            &x.client,
            &x.handle,
            None,
            0.0,
            &inverse_rms.handle,
            &grad.handle,
            norm_shape(&x),
        );
        like(grad_x, &x)
    }

    fn fused_rotate_backward(grad: Gpu, cos: Gpu, sin: Gpu) -> Gpu {
        rotated(grad, cos, sin, rotary::rotate_back)
    }

    fn fused_geglu_backward(gate: Gpu, up: Gpu, grad: Gpu) -> (Gpu, Gpu) {
        let [gate, up, grad] = [gate, up, grad].map(into_contiguous);
        let length = gate.shape().num_elements();
        let (grad_gate, grad_up) = geglu::backward(
            &gate.client,
            &gate.handle,
            &up.handle,
            &grad.handle,
            length,
            elements(&gate),
        );
        (like(grad_gate, &gate), like(grad_up, &up))
    }

    fn fused_attention_forward(q: Gpu, k: Gpu, v: Gpu, attention: Attention) -> (Gpu, Gpu) {
        cube_attention::forward(q, k, v, &attention)
    }

    fn fused_attention_backward(
        q: Gpu,
        k: Gpu,
        v: Gpu,
        out: Gpu,
        lse: Gpu,
        grad: Gpu,
        attention: Attention,
    ) -> (Gpu, Gpu, Gpu) {
        cube_attention::backward([q, k, v], out, lse, grad, &attention)
    }

    fn fused_embedding_backward(grad: Gpu, ids: IntTensor<Self>, rows: usize, scale: f32) -> Gpu {
        let (grad, ids) = (into_contiguous(grad), into_contiguous(ids));
        let width = grad.shape()[1];
        let shape = embedding_shape(rows, width, &ids);
        let out = embedding::grad_weight(&grad.client, &ids.handle, &grad.handle, scale, shape);
        of_shape(out, &grad, &[rows, width])
    }

    fn fused_loss_and_gradients(
        hidden: Gpu,
        weight: Gpu,
        targets: IntTensor<Self>,
        head: Head,
    ) -> (Gpu, Gpu, Gpu) {
        let head_weight = narrowed(weight, head.bf16); // [V, C]
        let mut losses = Vec::new();
        let mut grad_hidden = Vec::new();
        let mut grad_weight: Option<Gpu> = None;
        for chunk in chunks(hidden, targets, &head_weight, head.bf16) {
            let (logits, losses_of_chunk) = chunk.losses(head.softcap, Some(head.scale));
            losses.push(losses_of_chunk);
            let grad_logits = narrowed(logits, head.bf16); // [Q, V]
            let grad = product(grad_logits.clone(), head_weight.clone());
            grad_hidden.push(widened(grad)); // [Q, C]
            let grad = product(Self::float_transpose(grad_logits), chunk.hidden);
            let grad = widened(grad); // [V, C]
            grad_weight = Some(match grad_weight {
                Some(sum) => Self::float_add(sum, grad),
                None => grad,
            });
        }
        let sum = Self::float_sum(joined(losses));
        (
            Self::float_mul_scalar(sum, head.scale.into()),
            joined(grad_hidden),
            grad_weight.expect("at least one token"),
        )
    }

    fn fused_scaled(x: Gpu, factor: Gpu) -> Gpu {
        let shape = Shape::new([1, 1]);
        Self::float_mul(x, Self::float_reshape(factor, shape))
    }
}

/// A few tokens' hidden states `[Q, C]`, their logits `[Q, V]` in f32, and the right answers `[Q]`.
struct Chunk {
    hidden: Gpu,
    logits: Gpu,
    targets: CubeTensor,
}

impl Chunk {
    /// Losses `[Q]`; with a scale, the logits that come back have become the gradients of the scaled losses.
    fn losses(&self, softcap: Option<f32>, scale: Option<f32>) -> (Gpu, Gpu) {
        let Self {
            logits, targets, ..
        } = self;
        let [rows, vocabulary] = logits.shape().dims();
        let shape = cross_entropy::Shape {
            rows,
            vocabulary,
            targets: elements(targets),
        };
        let client = &logits.client;
        let losses = match scale {
            None => cross_entropy::losses(client, &logits.handle, &targets.handle, softcap, shape),
            Some(scale) => cross_entropy::losses_and_gradients(
                client,
                &logits.handle,
                &targets.handle,
                softcap,
                scale,
                shape,
            ),
        };
        (logits.clone(), of_shape(losses, logits, &[rows]))
    }
}

/// Cuts the tokens into chunks whose logits fit; each chunk's are made when it is asked for.
fn chunks(
    hidden: Gpu,
    targets: CubeTensor,
    weight: &Gpu,
    bf16: bool,
) -> impl Iterator<Item = Chunk> {
    let hidden = narrowed(into_contiguous(hidden), bf16);
    let targets = into_contiguous(targets);
    let rows = hidden.shape()[0];
    let at_once = (LOGITS / weight.shape()[0]).clamp(1, rows.max(1));
    (0..rows).step_by(at_once).map(move |start| {
        let part = Slice::from(start..rows.min(start + at_once));
        let hidden = CubeBackend::float_slice(hidden.clone(), &[part]); // [Q, C]
        let transposed = CubeBackend::float_transpose(weight.clone()); // [C, V]
        let logits = product(hidden.clone(), transposed);
        Chunk {
            // Fresh memory: the gradients are written there.
            logits: into_contiguous(widened(logits)),
            targets: into_contiguous(CubeBackend::float_slice(targets.clone(), &[part])),
            hidden,
        }
    })
}

/// Negative log-likelihoods, `[N]`.
fn token_losses(hidden: Gpu, weight: Gpu, targets: CubeTensor, head: Head) -> Gpu {
    let weight = narrowed(weight, head.bf16);
    let losses = chunks(hidden, targets, &weight, head.bf16);
    joined(
        losses
            .map(|chunk| chunk.losses(head.softcap, None).1)
            .collect(),
    )
}

/// The norm, and the `1 / sqrt(mean(x^2) + epsilon)` of each row.
fn normalized(x: Gpu, gain: Option<&Gpu>, norm: Norm) -> (Gpu, Gpu) {
    let shape = norm_shape(&x);
    let gain = gain.map(|gain| &gain.handle);
    let (out, inverse_rms) =
        rms_norm::forward(&x.client, &x.handle, gain, norm.offset, norm.epsilon, shape);
    let mut factors = of_shape(inverse_rms, &x, &[shape.rows]);
    factors.dtype = DType::F32;
    (like(out, &x), factors)
}

fn norm_shape(x: &CubeTensor) -> rms_norm::Shape {
    let width = x.shape().last().copied().unwrap_or(1);
    rms_norm::Shape {
        rows: x.shape().num_elements() / width.max(1),
        width,
        dtype: elements(x),
    }
}

/// Either direction of the rotation of `x` `[B, T, heads, D]`.
fn rotated(
    x: Gpu,
    cos: Gpu,
    sin: Gpu,
    rotate: impl FnOnce(
        &gpu_kernels::Client,
        &Handle,
        &Handle,
        &Handle,
        rotary::Shape,
        ElemType,
        ElemType,
    ) -> Handle,
) -> Gpu {
    let [x, cos, sin] = [x, cos, sin].map(into_contiguous);
    let [batch, length, heads, head_dim] = x.shape().dims();
    let shape = rotary::Shape {
        batch,
        length,
        heads,
        head_dim,
    };
    let (of_x, of_tables) = (elements(&x), elements(&cos));
    let out = rotate(
        &x.client,
        &x.handle,
        &cos.handle,
        &sin.handle,
        shape,
        of_x,
        of_tables,
    );
    like(out, &x)
}

fn embedding_shape(vocabulary: usize, width: usize, ids: &CubeTensor) -> embedding::Shape {
    embedding::Shape {
        vocabulary,
        width,
        tokens: ids.shape().num_elements(),
        ids: elements(ids),
    }
}

/// In bf16 if that is wanted.
fn narrowed(x: Gpu, bf16: bool) -> Gpu {
    if bf16 {
        CubeBackend::float_cast(x, FloatDType::BF16)
    } else {
        x
    }
}

/// In f32.
fn widened(x: Gpu) -> Gpu {
    if x.dtype == DType::F32 {
        x
    } else {
        CubeBackend::float_cast(x, FloatDType::F32)
    }
}

/// Along the first dimension.
fn joined(mut parts: Vec<Gpu>) -> Gpu {
    match parts.len() {
        1 => parts.remove(0),
        _ => CubeBackend::float_cat(parts, 0),
    }
}

/// A contiguous tensor whose buffer nobody else holds.
fn unshared(x: CubeTensor) -> CubeTensor {
    if x.is_contiguous() && x.can_mut() && x.is_contiguous_buffer() {
        x
    } else {
        copy_contiguous(x)
    }
}

/// The element type as the kernels call it.
pub(crate) fn elements(x: &CubeTensor) -> ElemType {
    dtype_to_storage_type(x.dtype)
}

/// A buffer in the shape and type of `x`.
fn like(buffer: Handle, x: &CubeTensor) -> CubeTensor {
    of_shape(buffer, x, x.shape().as_slice())
}

/// A buffer in the type of `x`, on its device.
fn of_shape(buffer: Handle, x: &CubeTensor, shape: &[usize]) -> CubeTensor {
    let shape = Shape::from(shape.to_vec());
    CubeTensor::new_contiguous(x.client.clone(), x.device.clone(), shape, buffer, x.dtype)
}
