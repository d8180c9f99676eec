//! A decoder and its optimizer: the gradients of a step, and the update.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Int, Tensor, TensorData};
use corpus::Batch;
use decoder::{Decoder, Execution, Positions};

use crate::optimizer::Optimizer;

/// A decoder in training.
pub struct Learner {
    decoder: Decoder,
    optimizer: Optimizer,
    positions: Positions,
    device: Device,
    execution: Execution,
    workers: usize,
}

/// Loss and gradients of one step.
pub struct Gradients {
    /// Mean negative log-likelihood of the step's tokens, in nats.
    pub loss: f32,
    /// Euclidean norm of all gradients together.
    pub norm: f64,
    by_parameter: GradientsParams,
}

impl Learner {
    /// A learner for sequences of up to `length` tokens; `decoder` is on an autodiff device, and up to
    /// `workers` threads work on micro-batches.
    pub fn new(
        decoder: Decoder,
        optimizer: Optimizer,
        length: usize,
        execution: Execution,
        workers: usize,
    ) -> Self {
        let device = decoder.device();
        Self {
            positions: decoder.positions(length, &device),
            decoder,
            optimizer,
            device,
            execution,
            workers,
        }
    }

    /// The decoder, on its autodiff device.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The optimizer's moments and constants.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// Loss and gradients of one step over micro-batches of one size; `micro_batch(i)` reads the one
    /// numbered `i` of `count`. Micro-batches are apart, then summed in their order, so that neither the
    /// number of workers nor their timing changes a bit.
    pub fn gradients(
        &self,
        count: usize,
        micro_batch: &(dyn Fn(usize) -> Batch + Sync),
    ) -> Gradients {
        let mut accumulator = GradientsAccumulator::new();
        let mut losses = Vec::with_capacity(count);
        for first in (0..count).step_by(self.workers) {
            let at_once = self.workers.min(count - first);
            let share = 1.0 / count as f64;
            for (loss, gradients) in self.in_parallel(first, at_once, share, micro_batch) {
                losses.push(loss);
                accumulator.accumulate(&self.decoder, gradients);
            }
        }
        let by_parameter = accumulator.grads();
        Gradients {
            norm: self.optimizer.gradient_norm(&self.decoder, &by_parameter),
            loss: Tensor::cat(losses, 0).into_data().iter::<f32>().sum(),
            by_parameter,
        }
    }

    /// One update at learning rate `lr`.
    pub fn update(&mut self, gradients: Gradients, lr: f64) {
        let Gradients {
            norm, by_parameter, ..
        } = gradients;
        self.decoder = self
            .optimizer
            .step(self.decoder.clone(), by_parameter, norm, lr);
    }

    /// Loss and gradients of `at_once` micro-batches, on a thread each: a core is used best by a whole
    /// micro-batch, whose operations then need not wait for each other's pieces.
    fn in_parallel(
        &self,
        first: usize,
        at_once: usize,
        share: f64,
        micro_batch: &(dyn Fn(usize) -> Batch + Sync),
    ) -> Vec<(Tensor<1>, GradientsParams)> {
        if at_once == 1 {
            return vec![self.micro_batch(&self.decoder, micro_batch(first), share)];
        }
        let autodiff = self.device.clone().autodiff();
        // A graph of its own for each: shared leaves would tie the threads' graphs together.
        let replicas = (first..first + at_once)
            .map(|index| (index, self.decoder.clone().fork(&autodiff)))
            .collect();
        fused::on_a_thread_each(replicas, |(index, replica)| {
            self.micro_batch(&replica, micro_batch(index), share)
        })
    }

    /// `share` of the mean loss of `batch`, `[1]`, and its gradients.
    fn micro_batch(
        &self,
        decoder: &Decoder,
        batch: Batch,
        share: f64,
    ) -> (Tensor<1>, GradientsParams) {
        let tokens = batch.batch * batch.length;
        let shape = [batch.batch, batch.length];
        let inputs = TensorData::new(batch.inputs, shape);
        let inputs: Tensor<2, Int> = Tensor::from_data(inputs, &self.device);
        let targets = TensorData::new(batch.targets, [tokens]);
        let targets: Tensor<1, Int> = Tensor::from_data(targets, &self.device);
        let hidden = decoder.hidden_states(inputs, &self.positions, self.execution);
        let loss = decoder.loss(hidden, targets, share / tokens as f64, self.execution);
        let gradients = GradientsParams::from_grads(loss.backward(), decoder);
        (loss.inner(), gradients)
    }
}
