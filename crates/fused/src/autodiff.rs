//! Gradients of the operations on every backend that has both halves of them: one node of the graph each.
//!
//! States hold tensors, which share their storage with the tensors of the forward pass.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, TensorMetadata};

use crate::ops::{Attention, FusedOps, GradientOps, Head, Norm};

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

/// One node: `$operation` with the guards of its parents, its output, and what its gradient needs.
macro_rules! node {
    ($backend:ty, $operation:expr, $strategy:ty, $parents:expr, $output:expr, $state:expr) => {
        match Backward::<$backend, _>::prepare::<$strategy>($operation, $parents)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish($state, $output),
            OpsKind::UnTracked(prep) => prep.finish($output),
        }
    };
}

/// Gives each parent that wants one its gradient. (A macro, because Burn's type of parents has no public name.)
macro_rules! register {
    ($backend:ty, $parents:expr, $gradients:expr, $grads:expr) => {
        for (node, gradient) in $parents.into_iter().zip($gradients) {
            if let Some(node) = node {
                $grads.register::<$backend>(node.id, gradient);
            }
        }
    };
}

impl<B: FusedOps + GradientOps, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn fused_linear(x: Tracked<B, C>, weight: Tracked<B, C>) -> Tracked<B, C> {
        let parents = [x.node(), weight.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let out = B::fused_linear(x.clone(), weight.clone());
        node!(B, LinearGradient, C, parents, out, (x, weight))
    }

    fn fused_rms_norm(x: Tracked<B, C>, gain: Tracked<B, C>, norm: Norm) -> Tracked<B, C> {
        let parents = [x.node(), gain.node()];
        let (x, gain) = (x.into_primitive(), gain.into_primitive());
        let (out, inverse_rms) = B::fused_rms_norm_forward(x.clone(), gain.clone(), norm);
        let state = (x, gain, inverse_rms, norm);
        node!(B, RmsNormGradient, C, parents, out, state)
    }

    fn fused_normalize(x: Tracked<B, C>, epsilon: f32) -> Tracked<B, C> {
        let parents = [x.node()];
        let x = x.into_primitive();
        let (out, inverse_rms) = B::fused_normalize_forward(x.clone(), epsilon);
        node!(B, NormalizeGradient, C, parents, out, (x, inverse_rms))
    }

    fn fused_rotate(x: Tracked<B, C>, cos: Tracked<B, C>, sin: Tracked<B, C>) -> Tracked<B, C> {
        let parents = [x.node()];
        let [x, cos, sin] = [x, cos, sin].map(FloatTensor::<Self>::into_primitive);
        let out = B::fused_rotate(x, cos.clone(), sin.clone());
        node!(B, RotateGradient, C, parents, out, (cos, sin))
    }

    fn fused_geglu(gate: Tracked<B, C>, up: Tracked<B, C>) -> Tracked<B, C> {
        let parents = [gate.node(), up.node()];
        let (gate, up) = (gate.into_primitive(), up.into_primitive());
        let out = B::fused_geglu(gate.clone(), up.clone());
        node!(B, GegluGradient, C, parents, out, (gate, up))
    }

    fn fused_attention(
        q: Tracked<B, C>,
        k: Tracked<B, C>,
        v: Tracked<B, C>,
        attention: Attention,
    ) -> Tracked<B, C> {
        let parents = [q.node(), k.node(), v.node()];
        let [q, k, v] = [q, k, v].map(FloatTensor::<Self>::into_primitive);
        let inputs = (q.clone(), k.clone(), v.clone());
        let (out, lse) = B::fused_attention_forward(q, k, v, attention.clone());
        let state = (inputs, (out.clone(), lse), attention);
        node!(B, AttentionGradient, C, parents, out, state)
    }

    fn fused_embedding(weight: Tracked<B, C>, ids: IntTensor<Self>, scale: f32) -> Tracked<B, C> {
        let parents = [weight.node()];
        let weight = weight.into_primitive();
        let rows = weight.shape()[0];
        let out = B::fused_embedding(weight, ids.clone(), scale);
        node!(B, EmbeddingGradient, C, parents, out, (ids, rows, scale))
    }

    fn fused_loss(
        hidden: Tracked<B, C>,
        weight: Tracked<B, C>,
        targets: IntTensor<Self>,
        head: Head,
    ) -> Tracked<B, C> {
        let parents = [hidden.node(), weight.node()];
        let is_tracked = hidden.is_tracked() || weight.is_tracked();
        let (hidden, weight) = (hidden.into_primitive(), weight.into_primitive());
        if !is_tracked {
            let out = B::fused_loss(hidden.clone(), weight.clone(), targets, head);
            return node!(B, LossGradient, C, parents, out, (hidden, weight));
        }
        let (out, grad_hidden, grad_weight) =
            B::fused_loss_and_gradients(hidden, weight, targets, head);
        node!(B, LossGradient, C, parents, out, (grad_hidden, grad_weight))
    }
}

#[derive(Debug)]
struct LinearGradient;

impl<B: GradientOps> Backward<B, 2> for LinearGradient {
    /// `x`, `weight`.
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [x_node, weight_node] = ops.parents;
        let (x, weight) = ops.state;
        if let Some(node) = x_node {
            grads.register::<B>(node.id, B::fused_linear_grad_input(grad.clone(), weight));
        }
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, B::fused_linear_grad_weight(x, grad));
        }
    }
}

#[derive(Debug)]
struct RmsNormGradient;

impl<B: GradientOps> Backward<B, 2> for RmsNormGradient {
    /// `x`, gain, inverse root-mean-squares, constants.
    type State = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, Norm);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (x, gain, inverse_rms, norm) = ops.state;
        let (grad_x, grad_gain) = B::fused_rms_norm_backward(x, gain, inverse_rms, grad, norm);
        register!(B, ops.parents, [grad_x, grad_gain], grads);
    }
}

#[derive(Debug)]
struct NormalizeGradient;

impl<B: GradientOps> Backward<B, 1> for NormalizeGradient {
    /// `x`, inverse root-mean-squares.
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (x, inverse_rms) = ops.state;
        let grad_x = B::fused_normalize_backward(x, inverse_rms, grad);
        register!(B, ops.parents, [grad_x], grads);
    }
}

#[derive(Debug)]
struct RotateGradient;

impl<B: GradientOps> Backward<B, 1> for RotateGradient {
    /// Cosines, sines.
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (cos, sin) = ops.state;
        register!(
            B,
            ops.parents,
            [B::fused_rotate_backward(grad, cos, sin)],
            grads
        );
    }
}

#[derive(Debug)]
struct GegluGradient;

impl<B: GradientOps> Backward<B, 2> for GegluGradient {
    /// Gate, up.
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (gate, up) = ops.state;
        let (grad_gate, grad_up) = B::fused_geglu_backward(gate, up, grad);
        register!(B, ops.parents, [grad_gate, grad_up], grads);
    }
}

#[derive(Debug)]
struct AttentionGradient;

/// Queries, keys, values; output and log-sum-exp; what happens between them.
type AttentionState<B> = (
    (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
    (FloatTensor<B>, FloatTensor<B>),
    Attention,
);

impl<B: GradientOps> Backward<B, 3> for AttentionGradient {
    type State = AttentionState<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let ((q, k, v), (out, lse), attention) = ops.state;
        let (q, k, v) = B::fused_attention_backward(q, k, v, out, lse, grad, attention);
        register!(B, ops.parents, [q, k, v], grads);
    }
}

#[derive(Debug)]
struct EmbeddingGradient;

impl<B: GradientOps> Backward<B, 1> for EmbeddingGradient {
    /// Ids, rows of the table, factor.
    type State = (IntTensor<B>, usize, f32);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (ids, rows, scale) = ops.state;
        let grad_weight = B::fused_embedding_backward(grad, ids, rows, scale);
        register!(B, ops.parents, [grad_weight], grads);
    }
}

#[derive(Debug)]
struct LossGradient;

impl<B: GradientOps> Backward<B, 2> for LossGradient {
    /// Gradients of the loss with respect to hidden states and weight.
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let factor = grads.consume::<B>(&ops.node);
        let (hidden, weight) = ops.state;
        let gradients = [hidden, weight].map(|gradient| B::fused_scaled(gradient, factor.clone()));
        register!(B, ops.parents, gradients, grads);
    }
}
