//! Causal attention on GPUs through cubek's tile kernels, forward with the log-sum-exp of each query and
//! backward, in memory linear in the length.
//!
//! Burn's own attention function reaches the same kernels but has no sliding window. A soft-cap and a
//! bias by distance are beyond both: ask [`serves`].

use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::full_device_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::InputScalar;
use cubecl::std::tensor::TensorHandle;
use cubek::attention::kernels::select::selector::QueryPositions;
use cubek::attention::kernels::tune::{AttentionTuneInputs, launch_tuned};
use cubek::attention::kernels::{
    AttentionScoring, AttentionVisibility, QueryPlacement, ScoreScale,
};
use cubek::attention_backward::{AttentionBackwardTensors, attention_backward};
use cubek::matmul::kernels::tensor::PlainTensor;
use cubek::std::autotune::GroupPriority;

use crate::cube::elements;
use crate::ops::Attention;

/// Whether these kernels can express `attention`.
pub(crate) fn serves(attention: &Attention) -> bool {
    attention.softcap.is_none() && attention.bias.is_none()
}

/// Attention of `q` `[B, T, H, D]` over `k` and `v` `[B, T, K, D]`, and the log-sum-exp `[B, H, T]` in f32.
pub(crate) fn forward(
    q: CubeTensor,
    k: CubeTensor,
    v: CubeTensor,
    attention: &Attention,
) -> (CubeTensor, CubeTensor) {
    let [batch, length, ..] = dims(&q);
    let lengths = full_device_dtype(
        q.client.clone(),
        Shape::new([batch]),
        q.device.clone(),
        InputScalar::new(length as u32, dtype_to_storage_type(DType::U32)),
        DType::U32,
    );
    let like = q.clone();
    let [q, k, v] = [q, k, v].map(by_head);
    let scoring = AttentionScoring {
        visibility: visibility(attention),
        scale: ScoreScale::Custom(attention.scale),
    };
    let inputs =
        AttentionTuneInputs::new(&like.client, q, k, v, None, plain(lengths), None, scoring)
            .unwrap_or_else(|why| panic!("no attention kernel takes these tensors: {why:?}"))
            .with_logsumexp();
    let lse = inputs.logsumexp().expect("it was asked for");
    let positions = QueryPositions::of(length);
    let out = launch_tuned(positions, &like.device, inputs, GroupPriority::DEFAULT);
    // The kernels write [B, T, H, D].
    (
        tensor(out, &like, like.dtype),
        tensor(lse, &like, DType::F32),
    )
}

/// Gradients with respect to queries, keys and values, in their shapes.
pub(crate) fn backward(
    inputs: [CubeTensor; 3],
    out: CubeTensor,
    lse: CubeTensor,
    grad: CubeTensor,
    attention: &Attention,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let like = inputs[0].clone();
    let [q, k, v] = inputs.map(by_head);
    let tensors = AttentionBackwardTensors::new(
        &like.client,
        q,
        k,
        v,
        by_head(out),
        by_head(into_contiguous(grad)),
        plain(lse),
        attention.scale,
        visibility(attention),
    )
    .unwrap_or_else(|why| panic!("no kernel takes the gradients of attention: {why:?}"));
    let gradients = attention_backward(&like.device, tensors);
    let [q, k, v] = [gradients.query, gradients.key, gradients.value]
        .map(|gradient| CubeBackend::float_swap_dims(tensor(gradient, &like, like.dtype), 1, 2));
    (q, k, v)
}

/// Every query sees itself and what came before, or a window of that.
fn visibility(attention: &Attention) -> AttentionVisibility {
    let window = attention.window.and_then(std::num::NonZeroUsize::new);
    AttentionVisibility::new(true, window, QueryPlacement::Last)
}

/// `[B, T, heads, D]` seen as `[B, heads, T, D]`.
fn by_head(x: CubeTensor) -> PlainTensor {
    plain(CubeBackend::float_swap_dims(x, 1, 2))
}

fn plain(x: CubeTensor) -> PlainTensor {
    let elements = elements(&x);
    PlainTensor::new(x.binding(), elements)
}

fn tensor(handle: TensorHandle, like: &CubeTensor, dtype: DType) -> CubeTensor {
    CubeTensor::new(
        like.client.clone(),
        handle.handle,
        *handle.metadata,
        like.device.clone(),
        dtype,
    )
}

fn dims(x: &CubeTensor) -> [usize; 4] {
    let shape = x.meta.shape();
    [shape[0], shape[1], shape[2], shape[3]]
}
