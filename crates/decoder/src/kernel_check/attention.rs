//! Fused attention in the shapes of a training step.

use std::collections::BTreeSet;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};

use super::Workload;
use super::comparison::{KernelCheck, Outcome, compare, tolerance, values};
use super::noise::Noise;
use crate::config::{DecoderConfig, LayerKind};
use crate::precision::Precision;

/// The attention of one kind of layer; a device chooses its kernels by all of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    batch: usize,
    length: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    window: Option<usize>,
}

/// Streams of noise.
const QUERIES: u64 = 1;
const KEYS: u64 = 2;
const VALUES: u64 = 3;
const GRADIENT: u64 = 4;

pub(super) fn check(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    cases(device, workload)
        .into_iter()
        .flat_map(|case| case.check(device, workload))
        .collect()
}

/// One for each shape of attention that is fused on `device`.
fn cases(device: &Device, workload: &Workload<'_>) -> BTreeSet<Case> {
    let config = workload.config;
    config
        .layers
        .values()
        .filter(|kind| is_fused(device, config, kind))
        .map(|kind| Case {
            batch: workload.batch,
            length: workload.length,
            heads: config.num_attention_heads,
            kv_heads: config.kv_heads_of(kind),
            head_dim: config.head_dim_of(kind),
            window: kind.sliding_window.filter(|w| *w < workload.length),
        })
        .collect()
}

fn is_fused(device: &Device, config: &DecoderConfig, kind: &LayerKind) -> bool {
    let encoding = kind.encoding.build(config.attention_shape(kind));
    let has_bias = encoding.is_ok_and(|encoding| encoding.has_bias());
    let attention = fused::Attention {
        scale: 1.0,
        softcap: config.attn_logit_softcapping.map(|cap| cap as f32),
        window: kind.sliding_window,
        bias: None,
    };
    !has_bias && fused::has_attention(device, &attention)
}

impl Case {
    /// The whole shape on `device`, and of it the first and the last key-value head with its queries on the
    /// CPU, in f32: heads do not depend on each other, and attention over long sequences is slow there.
    fn check(self, device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
        let found = self.on(device, workload);
        // One, where there is one sequence and one key-value head.
        BTreeSet::from([(0, 0), (self.batch - 1, self.kv_heads - 1)])
            .into_iter()
            .flat_map(|(sequence, kv_head)| {
                let expected = self.expected(workload, sequence, kv_head);
                let found = self.of_group(&found, sequence, kv_head);
                let operation = format!(
                    "attention ({}, sequence {sequence}, key-value head {kv_head})",
                    self.describe(workload.precision)
                );
                compare(&operation, tolerance(workload.precision), expected, found)
            })
            .collect()
    }

    fn describe(self, precision: Precision) -> String {
        let window = self.window.map_or_else(
            || "no window".to_owned(),
            |window| format!("window {window}"),
        );
        format!(
            "{}, {} tokens x {}, {} heads over {}, head_dim {}, {window}",
            precision.name(),
            self.length,
            self.batch,
            self.heads,
            self.kv_heads,
            self.head_dim,
        )
    }

    /// Queries that share a key-value head.
    fn group(self) -> usize {
        self.heads / self.kv_heads
    }

    fn attention(self) -> fused::Attention {
        fused::Attention {
            scale: (self.head_dim as f32).powf(-0.5),
            softcap: None,
            window: self.window,
            bias: None,
        }
    }

    /// Output, and gradients of queries, keys and values, given those and the output's gradient: `[B, T, heads, D]`
    /// each, without autodiff. Inputs are narrowed where the device's kernels take it: on the CPU they stay f32.
    fn computed(self, inputs: [Tensor<4>; 4], precision: Precision) -> [Tensor<4>; 4] {
        let [q, k, v, upstream] = inputs;
        let device = q.device();
        let [q, k, v] = [q, k, v].map(Tensor::require_grad);
        let [narrow_q, narrow_k, narrow_v] =
            [&q, &k, &v].map(|x| precision.narrowed(x.clone(), &device));
        let out =
            fused::attention(narrow_q, narrow_k, narrow_v, self.attention()).cast(FloatDType::F32);
        let gradients = (out.clone() * upstream).sum().backward();
        let gradient = |x: &Tensor<4>| {
            // No comparison survives NaN.
            let missing = || x.clone().inner().full_like(f32::NAN);
            x.grad(&gradients).unwrap_or_else(missing)
        };
        [out.inner(), gradient(&q), gradient(&k), gradient(&v)]
    }

    /// All heads of all sequences, on the device.
    fn on(self, device: &Device, workload: &Workload<'_>) -> [Tensor<4>; 4] {
        let device = device.clone().inner().autodiff();
        let precision = workload.precision;
        let inputs = self.inputs().map(|(stream, heads)| {
            let shape = [self.batch, self.length, heads, self.head_dim];
            Noise::in_precision(stream, precision).tensor(shape, &device)
        });
        self.computed(inputs, precision)
    }

    /// The noise of queries, keys, values and the output's gradient, and how many heads each has.
    fn inputs(self) -> [(u64, usize); 4] {
        [
            (QUERIES, self.heads),
            (KEYS, self.kv_heads),
            (VALUES, self.kv_heads),
            (GRADIENT, self.heads),
        ]
    }

    /// Of `tensors`, what belongs to one key-value head of one sequence.
    fn of_group(self, tensors: &[Tensor<4>; 4], sequence: usize, kv_head: usize) -> Vec<Outcome> {
        let part = |name, x: &Tensor<4>, heads: usize| {
            let x = x.clone().narrow(0, sequence, 1);
            let x = x.narrow(2, kv_head * heads, heads);
            (name, values(x), heads * self.head_dim)
        };
        let [out, q, k, v] = tensors;
        vec![
            part("output", out, self.group()),
            part("gradient of queries", q, self.group()),
            part("gradient of keys", k, 1),
            part("gradient of values", v, 1),
        ]
    }

    /// The same by the CPU's kernels in f32, which compute that group alone.
    fn expected(self, workload: &Workload<'_>, sequence: usize, kv_head: usize) -> Vec<Outcome> {
        let device = Device::flex().autodiff();
        let head_dim = self.head_dim;
        let alone = Self {
            batch: 1,
            heads: self.group(),
            kv_heads: 1,
            ..self
        };
        let inputs = self.inputs().map(|(stream, all)| {
            let noise = Noise::in_precision(stream, workload.precision);
            let heads = all / self.kv_heads; // of the group
            let numbers = (0..self.length).flat_map(|token| {
                let first = (sequence * self.length + token) * all + kv_head * heads;
                (first * head_dim..(first + heads) * head_dim).map(|index| noise.at(index))
            });
            let shape = [1, self.length, heads, head_dim];
            Tensor::from_data(TensorData::new(numbers.collect::<Vec<_>>(), shape), &device)
        });
        alone.of_group(&alone.computed(inputs, workload.precision), 0, 0)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::softmax;

    use super::*;
    use crate::preset;

    const CASE: Case = Case {
        batch: 2,
        length: 150,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        window: Some(37),
    };

    fn workload(config: &DecoderConfig) -> Workload<'_> {
        Workload {
            config,
            batch: CASE.batch,
            length: CASE.length,
            precision: Precision::F32,
        }
    }

    /// What the check expects of a head is attention written out, mask and all, for another head than the
    /// first of another sequence.
    #[test]
    fn what_is_expected_is_attention_written_out() {
        let config = preset("micro").expect("a preset");
        let workload = workload(&config);
        let device = Device::flex().autodiff();
        let input = |stream, heads| {
            let shape = [CASE.batch, CASE.length, heads, CASE.head_dim];
            let x: Tensor<4> = Noise::new(stream).tensor(shape, &device);
            x.swap_dims(1, 2) // [B, heads, T, D]
        };
        let [q, k, v] = [(QUERIES, 4), (KEYS, 2), (VALUES, 2)]
            .map(|(stream, heads)| input(stream, heads).require_grad());
        let repeated = |x: &Tensor<4>| {
            let [batch, kv_heads, length, head_dim] = x.dims();
            x.clone()
                .reshape([batch, kv_heads, 1, length, head_dim])
                .expand([batch, kv_heads, 2, length, head_dim])
                .reshape([batch, kv_heads * 2, length, head_dim])
        };
        let hidden: Vec<f32> = (0..CASE.length * CASE.length)
            .map(|i| {
                let (query, key) = (i / CASE.length, i % CASE.length);
                if key > query || query - key >= 37 {
                    -1e30
                } else {
                    0.0
                }
            })
            .collect();
        let shape = [1, 1, CASE.length, CASE.length];
        let hidden: Tensor<4> = Tensor::from_data(TensorData::new(hidden, shape), &device);
        let scores = q.clone().matmul(repeated(&k).swap_dims(2, 3)) * 0.25 + hidden;
        let out = softmax(scores, 3).matmul(repeated(&v));
        let gradients = (out.clone() * input(GRADIENT, 4)).sum().backward();
        let by_token = |x: Tensor<4>| x.swap_dims(1, 2); // [B, T, heads, D]
        let written_out = [out.inner(), q.grad(&gradients).expect("a gradient")]
            .into_iter()
            .chain([k.grad(&gradients), v.grad(&gradients)].map(|x| x.expect("a gradient")))
            .map(by_token)
            .collect::<Vec<_>>()
            .try_into()
            .expect("four tensors");
        let found = CASE.of_group(&written_out, 1, 1);
        let expected = CASE.expected(&workload, 1, 1);
        for check in compare("attention", tolerance(Precision::F32), expected, found) {
            assert!(check.passed(), "{check}");
        }
    }

    /// The whole check against itself, and against an attention that sees one token too many.
    #[test]
    fn a_wrong_window_is_seen() {
        let config = preset("micro").expect("a preset");
        let workload = workload(&config);
        let device = Device::flex();
        for check in CASE.check(&device, &workload) {
            assert!(check.passed(), "{check}");
        }
        let wider = Case {
            window: Some(38),
            ..CASE
        };
        let found = wider.of_group(&wider.on(&device, &workload), 0, 0);
        let checks = compare(
            "attention",
            tolerance(Precision::Bf16),
            CASE.expected(&workload, 0, 0),
            found,
        );
        assert!(checks.iter().all(|check| !check.passed()), "{checks:?}");
    }
}
