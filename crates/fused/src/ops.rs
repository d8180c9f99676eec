//! The operations as backend traits.

use std::sync::Arc;

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

/// Operations with gradients. Matrices are row-major `[in, out]`; N counts tokens.
#[backend_extension(Flex, Autodiff)]
pub trait FusedOps: Backend {
    /// `x @ weight`: `[N, I]` and `[I, O]` to `[N, O]`.
    fn fused_linear(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Root-mean-square norm over the last dimension of `x`, times the gain `[C]` plus its offset.
    fn fused_rms_norm(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        norm: Norm,
    ) -> FloatTensor<Self>;

    /// Root-mean-square norm over the last dimension, without gain.
    fn fused_normalize(x: FloatTensor<Self>, epsilon: f32) -> FloatTensor<Self>;

    /// Rotates `x` `[B, T, heads, D]` by tables `[1, T, 1, D/2]`, pairs (i, i + D/2); the tables are
    /// constants.
    fn fused_rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// `gelu_tanh(gate) * up`, elementwise.
    fn fused_geglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Causal attention of `q` `[B, T, H, D]` over `k` and `v` `[B, T, K, D]`, memory linear in T;
    /// `[B, T, H, D]`.
    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        attention: Attention,
    ) -> FloatTensor<Self>;

    /// Rows `ids` `[N]` of `weight` `[V, C]`, times `scale`; `[N, C]`.
    fn fused_embedding(
        weight: FloatTensor<Self>,
        ids: IntTensor<Self>,
        scale: f32,
    ) -> FloatTensor<Self>;

    /// `scale` times the summed negative log-likelihood in nats of `targets` `[N]` under the softmax of
    /// `hidden @ weightᵀ`, `[N, C]` and `[V, C]`; `[1]`. The logits are never kept.
    fn fused_loss(
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        softcap: Option<f32>,
        scale: f32,
    ) -> FloatTensor<Self>;
}

/// Operations that nothing is differentiated through.
#[backend_extension(Flex)]
pub trait PlainOps: Backend {
    /// Negative log-likelihoods in nats, `[N]`; see [`FusedOps::fused_loss`].
    fn fused_token_losses(
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        targets: IntTensor<Self>,
        softcap: Option<f32>,
    ) -> FloatTensor<Self>;

    /// One update: `(param, first moment, second moment)`, in place where nobody else holds them.
    fn fused_adamw(
        param: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        constants: AdamW,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Sum of squares of all elements, `[1]`, added up in f64.
    fn fused_sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self>;
}
