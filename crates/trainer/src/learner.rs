//! A decoder and its optimizer: the gradients of a step, and the update.

use burn::module::{Module, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::distributed::ReduceOperation;
use burn::tensor::{Device, Tensor, TensorData};
use decoder::{
    Activations, Decoder, Examples, Execution, ParameterVisitor, Positions, for_each_parameter,
};
use fused::Workers;

use crate::examples::MicroBatch;
use crate::optimizer::Optimizer;

/// How a learner computes. What it computes does not depend on it.
#[derive(Clone, Debug)]
pub struct Computation {
    /// How a pass is computed.
    pub execution: Execution,
    /// What a pass keeps.
    pub activations: Activations,
    /// Threads for separate micro-batches, or for separate devices.
    pub workers: Workers,
}

/// A decoder in training, the same on each of its devices.
pub struct Learner {
    members: Vec<Member>,
    computation: Computation,
}

/// A copy of the decoder and of its optimizer on a device of its own.
struct Member {
    /// `None` while an update replaces it: the update works in place if nobody else holds the weights.
    decoder: Option<Decoder>,
    optimizer: Optimizer,
    positions: Positions,
    device: Device,
}

/// Loss and gradients of one step.
pub struct Gradients {
    /// Mean negative log-likelihood of the step's targets, in nats.
    pub loss: f32,
    /// Euclidean norm of all gradients together.
    pub norm: f64,
    /// One for each member; all the same.
    by_member: Vec<GradientsParams>,
}

/// Reads the micro-batch of a number.
type Read<'a> = &'a dyn Fn(usize) -> MicroBatch;

impl Learner {
    /// A learner for sequences of up to `length` tokens; `decoder` is on the autodiff device of the first
    /// of `devices`, and copies of it and of `optimizer` go to the others.
    pub fn new(
        decoder: Decoder,
        optimizer: Optimizer,
        length: usize,
        devices: &[Device],
        computation: Computation,
    ) -> Self {
        let others = devices[1..].iter().map(|device| {
            let copy = decoder.clone().fork(&device.clone().autodiff());
            Member::new(copy, optimizer.to_device(device), length)
        });
        let others: Vec<Member> = others.collect();
        let first = Member::new(decoder, optimizer, length);
        Self {
            members: std::iter::once(first).chain(others).collect(),
            computation,
        }
    }

    /// The decoder, on its first autodiff device.
    pub fn decoder(&self) -> &Decoder {
        self.members[0].decoder()
    }

    /// The optimizer's moments and constants.
    pub fn optimizer(&self) -> &Optimizer {
        &self.members[0].optimizer
    }

    /// Loss and gradients of one step; `micro_batch(i)` reads the one numbered `i` of `count`. Every target of
    /// the step weighs the same, however many its micro-batch has.
    pub fn gradients(&self, count: usize, micro_batch: Read<'_>) -> Gradients {
        let batches: Vec<MicroBatch> = (0..count).map(micro_batch).collect();
        let targets: usize = batches.iter().map(|batch| batch.targets.len()).sum();
        let scale = 1.0 / targets as f64;
        let (losses, by_member) = match &self.members[..] {
            [member] => {
                let (losses, gradients) = self.on_one_device(member, batches, scale);
                (losses, vec![gradients])
            }
            members => self.on_several_devices(members, batches, scale),
        };
        let member = &self.members[0];
        // One transfer for the loss and all sums of squares: each costs a GPU its queue of work.
        let squares = member.optimizer.squares(member.decoder(), &by_member[0]);
        let count = losses.len();
        let values = losses.into_iter().chain(squares).collect();
        let values = Tensor::cat(values, 0).into_data();
        Gradients {
            loss: values.iter::<f32>().take(count).sum(),
            norm: values.iter::<f64>().skip(count).sum::<f64>().sqrt(),
            by_member,
        }
    }

    /// One update at learning rate `lr`.
    pub fn update(&mut self, gradients: Gradients, lr: f64) {
        let Gradients {
            norm, by_member, ..
        } = gradients;
        let members: Vec<_> = self.members.iter_mut().zip(by_member).collect();
        let update = |(member, gradients): (&mut Member, GradientsParams)| {
            let decoder = member.decoder.take().expect("a decoder between updates");
            member.decoder = Some(member.optimizer.step(decoder, gradients, norm, lr));
        };
        match members.len() {
            // The kernels of the update use all cores themselves.
            1 => members.into_iter().for_each(update),
            _ => drop(self.computation.workers.each(members, update)),
        }
    }

    /// Micro-batches are apart, then summed in their order, so that neither the number of workers nor
    /// their timing changes a bit.
    fn on_one_device(
        &self,
        member: &Member,
        batches: Vec<MicroBatch>,
        scale: f64,
    ) -> (Vec<Tensor<1>>, GradientsParams) {
        let mut accumulator = GradientsAccumulator::new();
        let mut losses = Vec::with_capacity(batches.len());
        let workers = self.computation.workers.count();
        let mut batches = batches.into_iter().peekable();
        while batches.peek().is_some() {
            let at_once = batches.by_ref().take(workers).collect();
            for (loss, gradients) in self.in_parallel(member, at_once, scale) {
                losses.push(loss);
                accumulator.accumulate(member.decoder(), gradients);
            }
        }
        (losses, accumulator.grads())
    }

    /// Loss and gradients of micro-batches, on a thread each: a core is used best by a whole
    /// micro-batch, whose operations then need not wait for each other's pieces.
    fn in_parallel(
        &self,
        member: &Member,
        mut batches: Vec<MicroBatch>,
        scale: f64,
    ) -> Vec<(Tensor<1>, GradientsParams)> {
        if batches.len() == 1 {
            let batch = batches.remove(0);
            return vec![self.pass(member, member.decoder(), batch, scale)];
        }
        let autodiff = member.device.clone().autodiff();
        // A graph of its own for each: shared leaves would tie the threads' graphs together.
        let replicas = batches
            .into_iter()
            .map(|batch| (batch, member.decoder().clone().fork(&autodiff)))
            .collect();
        self.computation.workers.each(replicas, |(batch, replica)| {
            self.pass(member, &replica, batch, scale)
        })
    }

    /// Data-parallel (Li et al., 2020): each device works on its part of the micro-batches, then every device
    /// gets the sum of all gradients. On CUDA the sum is NCCL's.
    fn on_several_devices(
        &self,
        members: &[Member],
        batches: Vec<MicroBatch>,
        scale: f64,
    ) -> (Vec<Tensor<1>>, Vec<GradientsParams>) {
        let count = batches.len();
        let mut batches = batches.into_iter();
        let parts: Vec<(Vec<MicroBatch>, &Member)> = parts(count, members.len())
            .map(|part| batches.by_ref().take(part.len()).collect())
            .zip(members)
            .collect();
        let found = self.computation.workers.each(parts, |(part, member)| {
            let mut accumulator = GradientsAccumulator::new();
            let losses = part.into_iter().map(|batch| {
                let (loss, gradients) = self.pass(member, member.decoder(), batch, scale);
                accumulator.accumulate(member.decoder(), gradients);
                loss
            });
            (losses.collect::<Vec<_>>(), accumulator.grads())
        });
        let (losses, gradients): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let first = &members[0].device;
        let losses = losses
            .into_iter()
            .flatten()
            .map(|loss| loss.to_device(first))
            .collect();
        (losses, all_reduce(members[0].decoder(), gradients))
    }

    /// `scale` times the summed loss of `batch`, `[1]`, and its gradients.
    fn pass(
        &self,
        member: &Member,
        decoder: &Decoder,
        batch: MicroBatch,
        scale: f64,
    ) -> (Tensor<1>, GradientsParams) {
        let shape = [batch.batch, batch.length];
        let list = |ids: Vec<i32>| {
            let count = ids.len();
            Tensor::from_data(TensorData::new(ids, [count]), &member.device)
        };
        let examples = Examples {
            inputs: Tensor::from_data(TensorData::new(batch.inputs, shape), &member.device),
            targets: list(batch.targets),
            rows: batch.rows.map(list),
        };
        let Computation {
            execution,
            activations,
            ..
        } = self.computation;
        decoder.gradients(examples, scale, &member.positions, execution, activations)
    }
}

impl Member {
    fn new(decoder: Decoder, optimizer: Optimizer, length: usize) -> Self {
        let device = decoder.device();
        Self {
            positions: decoder.positions(length, &device),
            decoder: Some(decoder),
            optimizer,
            device,
        }
    }

    fn decoder(&self) -> &Decoder {
        self.decoder.as_ref().expect("a decoder between updates")
    }
}

/// `0..count` in `parts` stretches of one length, or lengths that differ by one.
fn parts(count: usize, parts: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..parts).map(move |part| part * count / parts..(part + 1) * count / parts)
}

/// The sum of all members' gradients, for every member on its device.
fn all_reduce(decoder: &Decoder, gradients: Vec<GradientsParams>) -> Vec<GradientsParams> {
    struct AllReduce(Vec<GradientsParams>);
    impl ParameterVisitor for AllReduce {
        fn visit<const R: usize>(&mut self, name: &str, param: &Param<Tensor<R>>) {
            let parts = self.0.iter_mut().map(|gradients| {
                gradients
                    .remove::<R>(param.id)
                    .unwrap_or_else(|| panic!("no gradient of {name}"))
            });
            let sums = Tensor::all_reduce(parts.collect(), ReduceOperation::Sum);
            for (gradients, sum) in self.0.iter_mut().zip(sums) {
                gradients.register(param.id, sum);
            }
        }
    }
    let mut visitor = AllReduce(gradients);
    for_each_parameter(decoder, &mut visitor);
    visitor.0
}

#[cfg(test)]
mod tests {
    use decoder::{Kernels, Precision, named_tensors, preset};
    use experiment::TrainConfig;

    use super::*;

    const LENGTH: usize = 16;

    fn learner(devices: usize) -> Learner {
        let config = preset("micro").expect("preset");
        let decoder = Decoder::new(config, 3, &Device::flex().autodiff()).expect("valid config");
        let train = TrainConfig::at_constant_rate(LENGTH, 1, 10, 1e-3);
        let execution = Execution {
            precision: Precision::F32,
            kernels: Kernels::Fused,
            fused_attention: true,
            query_chunk: LENGTH,
        };
        let computation = Computation {
            execution,
            activations: Activations::Kept,
            workers: Workers::new(devices).expect("threads"),
        };
        let optimizer = Optimizer::new(&train, execution.kernels);
        Learner::new(
            decoder,
            optimizer,
            LENGTH,
            &vec![Device::flex(); devices],
            computation,
        )
    }

    fn batch(step: usize, index: usize) -> MicroBatch {
        let token = |i: usize| ((i * i + 31 * index + 7 * step) % 250) as i32;
        MicroBatch {
            rows: None,
            inputs: (0..2 * LENGTH).map(token).collect(),
            targets: (1..=2 * LENGTH).map(token).collect(),
            batch: 2,
            length: LENGTH,
        }
    }

    /// Losses and gradient norms of some steps of four micro-batches each.
    fn train(learner: &mut Learner) -> Vec<[f64; 2]> {
        let steps = (0..5).map(|step| {
            let gradients = learner.gradients(4, &|index| batch(step, index));
            let found = [f64::from(gradients.loss), gradients.norm];
            learner.update(gradients, 1e-2);
            found
        });
        steps.collect()
    }

    #[test]
    fn several_devices_train_as_one_does() {
        let expected = train(&mut learner(1));
        for devices in [2, 4] {
            let mut learner = learner(devices);
            for (found, expected) in train(&mut learner).iter().zip(&expected) {
                for (a, b) in found.iter().zip(expected) {
                    assert!((a / b - 1.0).abs() < 1e-5, "{devices} devices: {a} for {b}");
                }
            }
            let weights = |member: &Member| {
                let tensors = named_tensors(member.decoder()).into_iter();
                tensors.map(|tensor| tensor.values).collect::<Vec<_>>()
            };
            let first = weights(&learner.members[0]);
            for member in &learner.members[1..] {
                assert_eq!(weights(member), first, "copies differ");
            }
        }
    }

    /// Rows 3 to 5 of the one sequence, and 3, 4, 5, 20 of two: the counts of targets differ.
    fn masked(of: &MicroBatch, rows: &[i32]) -> MicroBatch {
        let targets = rows.iter().map(|row| of.targets[*row as usize]).collect();
        MicroBatch {
            targets,
            rows: Some(rows.to_vec()),
            ..of.clone()
        }
    }

    #[test]
    fn every_target_of_a_step_weighs_the_same() {
        let whole = batch(0, 0);
        let sequence = |index: usize| MicroBatch {
            inputs: whole.inputs[index * LENGTH..][..LENGTH].to_vec(),
            targets: whole.targets[index * LENGTH..][..LENGTH].to_vec(),
            rows: None,
            batch: 1,
            length: LENGTH,
        };
        let learner = learner(1);
        let together = learner.gradients(1, &|_| masked(&whole, &[3, 4, 5, 20]));
        let parts = [masked(&sequence(0), &[3, 4, 5]), masked(&sequence(1), &[4])];
        let apart = learner.gradients(2, &|index| parts[index].clone());
        assert!((together.loss - apart.loss).abs() < 1e-5);
        assert!((together.norm / apart.norm - 1.0).abs() < 1e-5);
        let all = learner.gradients(1, &|_| whole.clone());
        assert!((all.loss - together.loss).abs() > 1e-3, "nothing is masked");
    }

    #[test]
    fn parts_cover_all_once() {
        let cut = |count, of| parts(count, of).collect::<Vec<_>>();
        assert_eq!(cut(4, 2), [0..2, 2..4]);
        assert_eq!(cut(5, 2), [0..2, 2..5]);
        assert_eq!(cut(1, 2), [0..0, 0..1]);
    }
}
