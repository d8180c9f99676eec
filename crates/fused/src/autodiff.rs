//! Gradients of the operations on the CPU backend: one node of the graph each.
//!
//! States hold tensors, which share their storage with the tensors of the forward pass.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Flex, TensorMetadata};
use cpu_kernels::{attention, embedding, geglu, linear, linear_cross_entropy, rms_norm, rotary};

use crate::flex::{
    Cpu, attention_forward, attention_shape, contiguous, gainless, kernel_options, like,
    linear_shape, rms_norm_forward, rotary_shape, summed, tensor, token_ids, values,
};
use crate::ops::{Attention, FusedOps, Norm};

type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

/// One node: `$operation` with the guards of its parents, its output, and what its gradient needs.
macro_rules! node {
    ($operation:expr, $strategy:ty, $parents:expr, $output:expr, $state:expr) => {
        match Backward::<Flex, _>::prepare::<$strategy>($operation, $parents)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish($state, $output),
            OpsKind::UnTracked(prep) => prep.finish($output),
        }
    };
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn fused_linear(x: Tracked<C>, weight: Tracked<C>) -> Tracked<C> {
        let parents = [x.node(), weight.node()];
        let (x, weight) = (
            contiguous(x.into_primitive()),
            contiguous(weight.into_primitive()),
        );
        let out = Flex::fused_linear(x.clone(), weight.clone());
        node!(LinearGradient, C, parents, out, (x, weight))
    }

    fn fused_rms_norm(x: Tracked<C>, gain: Tracked<C>, norm: Norm) -> Tracked<C> {
        let parents = [x.node(), gain.node()];
        let (x, gain) = (
            contiguous(x.into_primitive()),
            contiguous(gain.into_primitive()),
        );
        let (out, inverse_rms) = rms_norm_forward(&x, Some(&gain), norm);
        node!(
            RmsNormGradient,
            C,
            parents,
            out,
            (x, gain, norm, inverse_rms)
        )
    }

    fn fused_normalize(x: Tracked<C>, epsilon: f32) -> Tracked<C> {
        let parents = [x.node()];
        let x = contiguous(x.into_primitive());
        let (out, inverse_rms) = rms_norm_forward(&x, None, gainless(epsilon));
        node!(NormalizeGradient, C, parents, out, (x, inverse_rms))
    }

    fn fused_rotate(x: Tracked<C>, cos: Tracked<C>, sin: Tracked<C>) -> Tracked<C> {
        let parents = [x.node()];
        let [x, cos, sin] = [x, cos, sin].map(|t| contiguous(t.into_primitive()));
        let out = Flex::fused_rotate(x, cos.clone(), sin.clone());
        node!(RotateGradient, C, parents, out, (cos, sin))
    }

    fn fused_geglu(gate: Tracked<C>, up: Tracked<C>) -> Tracked<C> {
        let parents = [gate.node(), up.node()];
        let (gate, up) = (
            contiguous(gate.into_primitive()),
            contiguous(up.into_primitive()),
        );
        let out = Flex::fused_geglu(gate.clone(), up.clone());
        node!(GegluGradient, C, parents, out, (gate, up))
    }

    fn fused_attention(
        q: Tracked<C>,
        k: Tracked<C>,
        v: Tracked<C>,
        options: Attention,
    ) -> Tracked<C> {
        let parents = [q.node(), k.node(), v.node()];
        let [q, k, v] = [q, k, v].map(|t| contiguous(t.into_primitive()));
        let (out, lse) = attention_forward(&q, &k, &v, &options);
        let state = AttentionState {
            q,
            k,
            v,
            out: out.clone(),
            lse: Arc::new(lse),
            options,
        };
        node!(AttentionGradient, C, parents, out, state)
    }

    fn fused_embedding(weight: Tracked<C>, ids: IntTensor<Self>, scale: f32) -> Tracked<C> {
        let parents = [weight.node()];
        let weight = weight.into_primitive();
        let shape: [usize; 2] = weight.shape().dims();
        let out = Flex::fused_embedding(weight, ids.clone(), scale);
        node!(EmbeddingGradient, C, parents, out, (ids, shape, scale))
    }

    fn fused_loss(
        hidden: Tracked<C>,
        weight: Tracked<C>,
        targets: IntTensor<Self>,
        softcap: Option<f32>,
        scale: f32,
    ) -> Tracked<C> {
        let parents = [hidden.node(), weight.node()];
        let is_tracked = hidden.is_tracked() || weight.is_tracked();
        let (hidden, weight) = (
            contiguous(hidden.into_primitive()),
            contiguous(weight.into_primitive()),
        );
        if !is_tracked {
            let out = Flex::fused_loss(hidden.clone(), weight.clone(), targets, softcap, scale);
            return node!(LossGradient, C, parents, out, (hidden, weight));
        }
        // The gradients are made on the way, while a chunk's logits are at hand.
        let targets = token_ids(&targets);
        let mut losses = vec![0.0; targets.len()];
        let mut grad_hidden = vec![0.0; values(&hidden).len()];
        let mut grad_weight = vec![0.0; values(&weight).len()];
        linear_cross_entropy::losses_and_gradients(
            values(&hidden),
            values(&weight),
            &targets,
            softcap,
            scale,
            &mut losses,
            &mut grad_hidden,
            &mut grad_weight,
        );
        let gradients = (like(grad_hidden, &hidden), like(grad_weight, &weight));
        node!(LossGradient, C, parents, summed(&losses, scale), gradients)
    }
}

#[derive(Debug)]
struct LinearGradient;

impl Backward<Flex, 2> for LinearGradient {
    /// `x`, `weight`.
    type State = (Cpu, Cpu);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = contiguous(grads.consume::<Flex>(&ops.node));
        let [x_node, weight_node] = ops.parents;
        let (x, weight) = ops.state;
        let shape = linear_shape(&x, &weight);
        if let Some(node) = x_node {
            let mut grad_x = vec![0.0; values(&x).len()];
            linear::grad_input(values(&grad), values(&weight), shape, &mut grad_x);
            grads.register::<Flex>(node.id, like(grad_x, &x));
        }
        if let Some(node) = weight_node {
            let mut grad_weight = vec![0.0; values(&weight).len()];
            linear::grad_weight(values(&x), values(&grad), shape, &mut grad_weight);
            grads.register::<Flex>(node.id, like(grad_weight, &weight));
        }
    }
}

#[derive(Debug)]
struct RmsNormGradient;

impl Backward<Flex, 2> for RmsNormGradient {
    /// `x`, gain, constants, inverse root-mean-squares.
    type State = (Cpu, Cpu, Norm, Vec<f32>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = contiguous(grads.consume::<Flex>(&ops.node));
        let [x_node, gain_node] = ops.parents;
        let (x, gain, norm, inverse_rms) = ops.state;
        let mut grad_x = vec![0.0; values(&x).len()];
        let mut grad_gain = vec![0.0; values(&gain).len()];
        rms_norm::backward(
            values(&x),
            Some(values(&gain)),
            norm.offset,
            &inverse_rms,
            values(&grad),
            &mut grad_x,
            gain_node.is_some().then_some(grad_gain.as_mut_slice()),
        );
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, like(grad_x, &x));
        }
        if let Some(node) = gain_node {
            grads.register::<Flex>(node.id, like(grad_gain, &gain));
        }
    }
}

#[derive(Debug)]
struct NormalizeGradient;

impl Backward<Flex, 1> for NormalizeGradient {
    /// `x`, inverse root-mean-squares.
    type State = (Cpu, Vec<f32>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = contiguous(grads.consume::<Flex>(&ops.node));
        let (x, inverse_rms) = ops.state;
        if let [Some(node)] = ops.parents {
            let mut grad_x = vec![0.0; values(&x).len()];
            let offset = gainless(0.0).offset;
            rms_norm::backward(
                values(&x),
                None,
                offset,
                &inverse_rms,
                values(&grad),
                &mut grad_x,
                None,
            );
            grads.register::<Flex>(node.id, like(grad_x, &x));
        }
    }
}

#[derive(Debug)]
struct RotateGradient;

impl Backward<Flex, 1> for RotateGradient {
    /// Cosines, sines.
    type State = (Cpu, Cpu);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = contiguous(grads.consume::<Flex>(&ops.node));
        let (cos, sin) = ops.state;
        if let [Some(node)] = ops.parents {
            let mut grad_x = vec![0.0; values(&grad).len()];
            let shape = rotary_shape(&grad);
            rotary::rotate_back(
                values(&grad),
                values(&cos),
                values(&sin),
                shape,
                &mut grad_x,
            );
            grads.register::<Flex>(node.id, like(grad_x, &grad));
        }
    }
}

#[derive(Debug)]
struct GegluGradient;

impl Backward<Flex, 2> for GegluGradient {
    /// Gate, up.
    type State = (Cpu, Cpu);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = contiguous(grads.consume::<Flex>(&ops.node));
        let [gate_node, up_node] = ops.parents;
        let (gate, up) = ops.state;
        let mut grad_gate = vec![0.0; values(&gate).len()];
        let mut grad_up = vec![0.0; values(&up).len()];
        geglu::backward(
            values(&gate),
            values(&up),
            values(&grad),
            &mut grad_gate,
            &mut grad_up,
        );
        if let Some(node) = gate_node {
            grads.register::<Flex>(node.id, like(grad_gate, &gate));
        }
        if let Some(node) = up_node {
            grads.register::<Flex>(node.id, like(grad_up, &up));
        }
    }
}

#[derive(Debug)]
struct AttentionGradient;

#[derive(Clone, Debug)]
struct AttentionState {
    q: Cpu,
    k: Cpu,
    v: Cpu,
    out: Cpu,
    lse: Arc<Vec<f32>>,
    options: Attention,
}

impl Backward<Flex, 3> for AttentionGradient {
    type State = AttentionState;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = contiguous(grads.consume::<Flex>(&ops.node));
        let AttentionState {
            q,
            k,
            v,
            out,
            lse,
            options,
        } = ops.state;
        let [mut grad_q, mut grad_k, mut grad_v] = [&q, &k, &v].map(|x| vec![0.0; values(x).len()]);
        attention::backward(
            values(&q),
            values(&k),
            values(&v),
            values(&out),
            &lse,
            values(&grad),
            attention_shape(&q, &k),
            &kernel_options(&options),
            &mut grad_q,
            &mut grad_k,
            &mut grad_v,
        );
        let gradients = [like(grad_q, &q), like(grad_k, &k), like(grad_v, &v)];
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct EmbeddingGradient;

impl Backward<Flex, 1> for EmbeddingGradient {
    /// Ids, shape of the table, factor.
    type State = (IntTensor<Flex>, [usize; 2], f32);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = contiguous(grads.consume::<Flex>(&ops.node));
        let (ids, shape, scale) = ops.state;
        if let [Some(node)] = ops.parents {
            let mut grad_weight = vec![0.0; shape.iter().product()];
            embedding::grad_weight(&token_ids(&ids), values(&grad), scale, &mut grad_weight);
            grads.register::<Flex>(node.id, tensor(grad_weight, &shape));
        }
    }
}

#[derive(Debug)]
struct LossGradient;

impl Backward<Flex, 2> for LossGradient {
    /// Gradients of the loss with respect to hidden states and weight.
    type State = (Cpu, Cpu);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = contiguous(grads.consume::<Flex>(&ops.node));
        let factor = values(&grad)[0];
        let (hidden, weight) = ops.state;
        for (node, gradient) in ops.parents.into_iter().zip([hidden, weight]) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, scaled(gradient, factor));
            }
        }
    }
}

/// `factor * x`; the loss is mostly the root of the graph, and the factor one.
fn scaled(x: Cpu, factor: f32) -> Cpu {
    if factor.to_bits() == 1.0f32.to_bits() {
        return x;
    }
    let scaled = values(&x).iter().map(|value| value * factor).collect();
    like(scaled, &x)
}
