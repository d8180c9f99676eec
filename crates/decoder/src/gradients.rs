//! Loss and gradients of a batch, with all activations kept or most of them computed twice.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Int, Tensor};

use crate::execution::Execution;
use crate::model::Decoder;
use crate::positions::Positions;

/// What a forward pass keeps for the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activations {
    /// All that the gradients need.
    Kept,
    /// The input of each block. A block is computed again when its gradients are due, so that one block's
    /// activations are alive at a time ("activation checkpointing"; Chen et al., 2016).
    RecomputedPerBlock,
}

/// Sequences and what should follow each token.
pub struct Examples {
    /// `[B, T]`.
    pub inputs: Tensor<2, Int>,
    /// `[N]`.
    pub targets: Tensor<1, Int>,
    /// Which of the `B*T` positions the targets follow, `[N]`, each at most once; `None`: all, and N is `B*T`.
    pub rows: Option<Tensor<1, Int>>,
}

/// The hidden states, of `[B*T, C]`, that are scored: `[N, C]`.
fn scored(hidden: Tensor<2>, rows: Option<Tensor<1, Int>>) -> Tensor<2> {
    match rows {
        Some(rows) => hidden.select(0, rows),
        None => hidden,
    }
}

impl Decoder {
    /// `scale` times the summed loss of `examples` in nats, `[1]`, and its gradients. `self` is on an
    /// autodiff device; the numbers depend on `activations` by rounding only, with fused kernels on the CPU not
    /// by a bit.
    ///
    /// # Panics
    /// If the sequences are longer than `positions`, or `self` is not on an autodiff device.
    pub fn gradients(
        &self,
        examples: Examples,
        scale: f64,
        positions: &Positions,
        execution: Execution,
        activations: Activations,
    ) -> (Tensor<1>, GradientsParams) {
        match activations {
            Activations::Kept => {
                let Examples {
                    inputs,
                    targets,
                    rows,
                } = examples;
                let hidden = self.hidden_states(inputs, positions, execution);
                let loss = self.loss(scored(hidden, rows), targets, scale, execution);
                let gradients = GradientsParams::from_grads(loss.backward(), self);
                (loss.inner(), gradients)
            }
            Activations::RecomputedPerBlock => {
                self.recomputing(examples, scale, positions, execution)
            }
        }
    }

    /// Forward without a graph, then backward with one graph per block.
    fn recomputing(
        &self,
        examples: Examples,
        scale: f64,
        positions: &Positions,
        execution: Execution,
    ) -> (Tensor<1>, GradientsParams) {
        let Examples {
            inputs,
            targets,
            rows,
        } = examples;
        let batch = inputs.dims()[0];
        let plain = self.valid();
        let mut x = plain.embed(inputs.clone(), positions, execution); // [N, C]
        let mut kept = Vec::with_capacity(plain.num_layers());
        for layer in 0..plain.num_layers() {
            kept.push(x.clone());
            x = plain.block(layer, x, batch, positions, execution);
        }
        let mut sum = GradientSum {
            decoder: self,
            accumulator: GradientsAccumulator::new(),
        };
        let top = Tensor::from_inner(x).require_grad();
        let hidden = self.final_norm(top.clone(), execution);
        let loss = self.loss(scored(hidden, rows), targets, scale, execution);
        let mut gradient = sum.add(loss.clone(), &top); // of the block's output
        for (layer, x) in kept.into_iter().enumerate().rev() {
            let x = Tensor::from_inner(x).require_grad();
            let y = self.block(layer, x.clone(), batch, positions, execution);
            gradient = sum.add(pull_back(y, gradient), &x);
        }
        let embedded = self.embed(inputs, positions, execution);
        let gradients = pull_back(embedded, gradient).backward();
        sum.accumulate(GradientsParams::from_grads(gradients, self));
        (loss.inner(), sum.accumulator.grads())
    }
}

/// A scalar `[1]` whose gradient with respect to `y` is `gradient`.
fn pull_back(y: Tensor<2>, gradient: Tensor<2>) -> Tensor<1> {
    (y * Tensor::from_inner(gradient)).sum()
}

/// The gradients of a decoder's parameters, piece by piece.
struct GradientSum<'a> {
    decoder: &'a Decoder,
    accumulator: GradientsAccumulator<Decoder>,
}

impl GradientSum<'_> {
    /// Adds the gradients of `root`; returns the one with respect to `x`.
    fn add(&mut self, root: Tensor<1>, x: &Tensor<2>) -> Tensor<2> {
        let mut gradients = root.backward();
        let gradient = x
            .grad_remove(&mut gradients)
            .expect("the root depends on x");
        self.accumulate(GradientsParams::from_grads(gradients, self.decoder));
        gradient
    }

    fn accumulate(&mut self, gradients: GradientsParams) {
        self.accumulator.accumulate(self.decoder, gradients);
    }
}
