//! The operations as functions of tensors.

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Device, Int, Tensor};

use crate::cube_attention;
use crate::ops::{AdamW, Attention, FusedOps, Head, Norm, PlainOps};

/// Whether this crate has kernels for `device`, with or without autodiff.
pub fn is_supported_by(device: &Device) -> bool {
    is_cpu(device) || is_gpu(device)
}

/// Whether the kernels on `device` can express `attention`: on GPUs there is no soft-cap and no bias.
pub fn has_attention(device: &Device, attention: &Attention) -> bool {
    is_cpu(device) || is_gpu(device) && cube_attention::serves(attention)
}

/// Whether [`attention`] and [`linear`] take bf16 on `device`, and [`loss`] multiplies in it.
pub fn multiplies_bf16(device: &Device) -> bool {
    is_gpu(device)
}

fn is_cpu(device: &Device) -> bool {
    let device = device.clone().inner();
    matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}

fn is_gpu(device: &Device) -> bool {
    let device = device.clone().inner();
    matches!(device.as_dispatch(), DispatchDevice::Cube(_))
}

/// [`FusedOps::fused_linear`]: `x` `[N, I]`, `weight` `[I, O]`, result `[N, O]`, in the number format of both. Only
/// GPUs take bf16, and more dimensions.
pub fn linear<const R: usize>(x: Tensor<R>, weight: Tensor<R>) -> Tensor<R> {
    Tensor::from_dispatch(Dispatch::fused_linear(
        x.into_dispatch(),
        weight.into_dispatch(),
    ))
}

/// [`FusedOps::fused_rms_norm`]: `x` of any shape `[.., C]`, `gain` `[C]`.
pub fn rms_norm<const R: usize>(x: Tensor<R>, gain: Tensor<1>, norm: Norm) -> Tensor<R> {
    Tensor::from_dispatch(Dispatch::fused_rms_norm(
        x.into_dispatch(),
        gain.into_dispatch(),
        norm,
    ))
}

/// [`FusedOps::fused_normalize`]: `x` of any shape `[.., C]`.
pub fn normalize<const R: usize>(x: Tensor<R>, epsilon: f64) -> Tensor<R> {
    Tensor::from_dispatch(Dispatch::fused_normalize(x.into_dispatch(), epsilon as f32))
}

/// [`FusedOps::fused_rotate`]: `x` `[B, T, heads, D]`, tables `[1, T', 1, D/2]` with `T' >= T`.
pub fn rotate(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>) -> Tensor<4> {
    let [x, cos, sin] = [x, cos, sin].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::fused_rotate(x, cos, sin))
}

/// [`FusedOps::fused_geglu`]: `gate` and `up` of one shape.
pub fn geglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::fused_geglu(
        gate.into_dispatch(),
        up.into_dispatch(),
    ))
}

/// [`FusedOps::fused_attention`]: `q` `[B, T, H, D]`, `k` and `v` `[B, T, K, D]`, result `[B, T, H, D]`.
pub fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, attention: Attention) -> Tensor<4> {
    let [q, k, v] = [q, k, v].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::fused_attention(q, k, v, attention))
}

/// [`FusedOps::fused_embedding`]: `weight` `[V, C]`, `ids` `[B, T]`, result `[B*T, C]`.
pub fn embedding(weight: Tensor<2>, ids: Tensor<2, Int>, scale: f64) -> Tensor<2> {
    let ids = ids.flatten::<1>(0, 1).into_dispatch(); // [B*T]
    Tensor::from_dispatch(Dispatch::fused_embedding(
        weight.into_dispatch(),
        ids,
        scale as f32,
    ))
}

/// [`FusedOps::fused_loss`]: `hidden` `[N, C]`, `weight` `[V, C]`, `targets` `[N]`, result `[1]`.
pub fn loss(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    targets: Tensor<1, Int>,
    head: Head,
) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::fused_loss(
        hidden.into_dispatch(),
        weight.into_dispatch(),
        targets.into_dispatch(),
        head,
    ))
}

/// [`PlainOps::fused_token_losses`], `[N]`; tensors without autodiff only.
pub fn token_losses(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    targets: Tensor<1, Int>,
    softcap: Option<f64>,
) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::fused_token_losses(
        hidden.into_dispatch(),
        weight.into_dispatch(),
        targets.into_dispatch(),
        softcap.map(|cap| cap as f32),
    ))
}

/// [`PlainOps::fused_adamw`] on flat tensors; returns parameter, first and second moment.
pub fn adamw(
    param: Tensor<1>,
    gradient: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
    constants: AdamW,
) -> [Tensor<1>; 3] {
    let (param, first, second) = Dispatch::fused_adamw(
        param.into_dispatch(),
        gradient.into_dispatch(),
        first.into_dispatch(),
        second.into_dispatch(),
        constants,
    );
    [param, first, second].map(Tensor::from_dispatch)
}

/// [`PlainOps::fused_sum_of_squares`] of a tensor of any shape, `[1]`.
pub fn sum_of_squares<const R: usize>(x: Tensor<R>) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::fused_sum_of_squares(x.into_dispatch()))
}
