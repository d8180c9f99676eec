//! The operations as backend traits.
//!
//! [`FusedOps`] is what a decoder calls: operations with gradients. [`PlainOps`] holds what nothing is
//! differentiated through, and [`GradientOps`] the two halves of each gradient: forward passes that also
//! return what the backward pass needs, and the backward passes. A backend implements all three;
//! `autodiff.rs` puts the halves together for any of them.
//!
//! The `fusion` attributes tell Burn's lazy fusion backend what comes out, so that elementwise operations
//! around ours are still fused.

use std::sync::Arc;

#[cfg(feature = "fusion")]
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};
pub use cpu_kernels::adamw::Constants as AdamW;

/// Constants of a root-mean-square norm: `x / sqrt(mean(x^2) + epsilon) * (gain + offset)`.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Added to the gain: 1 in Gemma's convention, 0 in the plain one.
    pub offset: f32,
    /// Added to the mean of squares.
    pub epsilon: f32,
}

/// What happens between queries and keys.
#[derive(Clone, Debug)]
pub struct Attention {
    /// Factor of `q·k`.
    pub scale: f32,
    /// `c * tanh(logit / c)`, after the factor.
    pub softcap: Option<f32>,
    /// Keys a query sees, itself included; `None`: itself and all before it.
    pub window: Option<usize>,
    /// Added to the logits, `[H, T]` by head and distance; a constant, without gradient.
    pub bias: Option<Arc<Vec<f32>>>,
}

/// The output head and its loss.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// `c * tanh(logit / c)`.
    pub softcap: Option<f32>,
    /// Factor of the summed losses.
    pub scale: f32,
    /// Whether products take bf16 inputs; sums, softmax and losses are f32 in either case.
    pub bf16: bool,
}

/// Operations with gradients. Matrices are row-major `[in, out]`; N counts tokens.
#[backend_extension(Cube, Flex, Autodiff, Fusion: cfg(feature = "fusion"))]
pub trait FusedOps: Backend {
    /// `x @ weight`: `[N, I]` and `[I, O]` to `[N, O]`. On GPUs both may have the same dimensions before these.
    #[fusion(meta = spec::linear)]
    fn fused_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Root-mean-square norm over the last dimension of `x`, times the gain `[C]` plus its offset.
    #[fusion(dtype = x, shape = x)]
    fn fused_rms_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        norm: Norm,
    ) -> FloatTensor<Self>;

    /// Root-mean-square norm over the last dimension, without gain.
    #[fusion(dtype = x, shape = x)]
    fn fused_normalize(x: FloatTensor<Self>, epsilon: f32) -> FloatTensor<Self>;

    /// Rotates `x` `[B, T, heads, D]` by tables `[1, T', 1, D/2]`, `T' >= T`, pairs (i, i + D/2); the tables
    /// are constants.
    #[fusion(dtype = x, shape = x)]
    fn fused_rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// `gelu_tanh(gate) * up`, elementwise.
    #[fusion(dtype = gate, shape = gate)]
    fn fused_geglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Causal attention of `q` `[B, T, H, D]` over `k` and `v` `[B, T, K, D]`, memory linear in T;
    /// `[B, T, H, D]`.
    #[fusion(dtype = q, shape = q)]
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        attention: Attention,
    ) -> FloatTensor<Self>;

    /// Rows `ids` `[N]` of `weight` `[V, C]`, times `scale`; `[N, C]`.
    #[fusion(meta = |weight, ids, _scale| spec::embedding(weight, ids))]
    fn fused_embedding(
        weight: FloatTensor<Self>,
        ids: IntTensor<Self>,
        scale: f32,
    ) -> FloatTensor<Self>;

    /// The head's factor times the summed negative log-likelihood in nats of `targets` `[N]` under the softmax
    /// of `hidden @ weightᵀ`, `[N, C]` and `[V, C]`; `[1]`. The logits are never kept.
    #[fusion(meta = |hidden, _weight, _targets, _head| spec::shaped(hidden, &[1]))]
    fn fused_loss(
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        head: Head,
    ) -> FloatTensor<Self>;
}

/// Operations that nothing is differentiated through.
#[backend_extension(Cube, Flex, Fusion: cfg(feature = "fusion"))]
pub trait PlainOps: Backend {
    /// Negative log-likelihoods in nats, `[N]`, in f32 throughout; see [`FusedOps::fused_loss`].
    #[fusion(meta = |hidden, _weight, targets, _softcap| spec::shaped(hidden, &[targets.shape[0]]))]
    fn fused_token_losses(
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        softcap: Option<f32>,
    ) -> FloatTensor<Self>;

    /// One update: `(param, first moment, second moment)`, in place where nobody else holds them.
    #[fusion(meta = |param, _gradient, first, second, _constants| (param.clone(), first.clone(), second.clone()))]
    fn fused_adamw(
        param: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        constants: AdamW,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Sum of squares of all elements, `[1]`, added up in f64 where the backend has it.
    #[fusion(meta = |x| spec::shaped(x, &[1]))]
    fn fused_sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Both halves of the gradients of [`FusedOps`].
#[backend_extension(Cube, Flex, Fusion: cfg(feature = "fusion"))]
pub trait GradientOps: Backend {
    /// `grad @ weightᵀ`, `[N, I]`.
    #[fusion(meta = spec::linear_grad_input)]
    fn fused_linear_grad_input(
        grad: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// `xᵀ @ grad`, `[I, O]`.
    #[fusion(meta = spec::linear_grad_weight)]
    fn fused_linear_grad_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>)
    -> FloatTensor<Self>;

    /// The norm, and the `1 / sqrt(mean(x^2) + epsilon)` of each row, `[rows]`.
    #[fusion(meta = |x, _gain, _norm| (x.clone(), spec::of_rows(x)))]
    fn fused_rms_norm_forward(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Gradients of [`FusedOps::fused_rms_norm`] with respect to `x` and the gain.
    #[fusion(meta = |x, gain, _inverse_rms, _grad, _norm| (x.clone(), gain.clone()))]
    fn fused_rms_norm_backward(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        inverse_rms: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The norm without gain, and the factor of each row, `[rows]`.
    #[fusion(meta = |x, _epsilon| (x.clone(), spec::of_rows(x)))]
    fn fused_normalize_forward(
        x: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Gradient of [`FusedOps::fused_normalize`].
    #[fusion(dtype = x, shape = x)]
    fn fused_normalize_backward(
        x: FloatTensor<Self>,
        inverse_rms: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Gradient of [`FusedOps::fused_rotate`]: the rotation by the opposite angles.
    #[fusion(dtype = grad, shape = grad)]
    fn fused_rotate_backward(
        grad: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Gradients of [`FusedOps::fused_geglu`] with respect to gate and up.
    #[fusion(meta = |gate, up, _grad| (gate.clone(), up.clone()))]
    fn fused_geglu_backward(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Attention, and the log-sum-exp `[B, H, T]` of each query's logits.
    #[fusion(meta = |q, _k, _v, _attention| (q.clone(), spec::log_sum_exp(q)))]
    fn fused_attention_forward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        attention: Attention,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Gradients of [`FusedOps::fused_attention`] with respect to queries, keys and values.
    #[fusion(meta = |q, k, v, _out, _lse, _grad, _attention| (q.clone(), k.clone(), v.clone()))]
    fn fused_attention_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        out: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        attention: Attention,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Gradient of [`FusedOps::fused_embedding`] with respect to a table of `rows` rows: the sums of the
    /// tokens' gradients, in the order of the tokens.
    #[fusion(meta = |grad, _ids, rows, _scale| spec::embedding_gradient(grad, *rows))]
    fn fused_embedding_backward(
        grad: FloatTensor<Self>,
        ids: IntTensor<Self>,
        rows: usize,
        scale: f32,
    ) -> FloatTensor<Self>;

    /// [`FusedOps::fused_loss`] and its gradients with respect to hidden states and weight, made on the way
    /// while a chunk's logits are at hand.
    #[fusion(meta = |hidden, weight, _targets, _head| (spec::shaped(hidden, &[1]), hidden.clone(), weight.clone()))]
    fn fused_loss_and_gradients(
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        head: Head,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// `factor * x` for a `factor` `[1]` that is mostly one.
    #[fusion(dtype = x, shape = x)]
    fn fused_scaled(x: FloatTensor<Self>, factor: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Shapes of results, for the lazy backend.
#[cfg(feature = "fusion")]
mod spec {
    use burn::tensor::DType;

    use super::TensorSpec;

    pub(super) fn shaped(like: &TensorSpec, shape: &[usize]) -> TensorSpec {
        TensorSpec::new(shape.to_vec().into(), like.dtype)
    }

    /// One f32 for each row of `x`.
    pub(super) fn of_rows(x: &TensorSpec) -> TensorSpec {
        let width = x.shape[x.shape.num_dims() - 1].max(1);
        TensorSpec::new([x.shape.num_elements() / width].into(), DType::F32)
    }

    /// `[B, H, T]` of queries `[B, T, H, D]`.
    pub(super) fn log_sum_exp(q: &TensorSpec) -> TensorSpec {
        let shape = [q.shape[0], q.shape[2], q.shape[1]];
        TensorSpec::new(shape.into(), DType::F32)
    }

    pub(super) fn linear(x: &TensorSpec, weight: &TensorSpec) -> TensorSpec {
        matrices(x, from_end(x, 2), from_end(weight, 1))
    }

    pub(super) fn linear_grad_input(grad: &TensorSpec, weight: &TensorSpec) -> TensorSpec {
        matrices(grad, from_end(grad, 2), from_end(weight, 2))
    }

    pub(super) fn linear_grad_weight(x: &TensorSpec, grad: &TensorSpec) -> TensorSpec {
        matrices(x, from_end(x, 1), from_end(grad, 1))
    }

    /// As many as `like` holds, of another shape.
    fn matrices(like: &TensorSpec, rows: usize, columns: usize) -> TensorSpec {
        let batch = like.shape.num_dims() - 2;
        let mut shape = like.shape[..batch].to_vec();
        shape.extend([rows, columns]);
        shaped(like, &shape)
    }

    fn from_end(x: &TensorSpec, places: usize) -> usize {
        x.shape[x.shape.num_dims() - places]
    }

    pub(super) fn embedding(weight: &TensorSpec, ids: &TensorSpec) -> TensorSpec {
        shaped(weight, &[ids.shape[0], weight.shape[1]])
    }

    pub(super) fn embedding_gradient(grad: &TensorSpec, rows: usize) -> TensorSpec {
        shaped(grad, &[rows, grad.shape[1]])
    }
}
