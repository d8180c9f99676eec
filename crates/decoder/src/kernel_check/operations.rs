//! Every fused operation but attention, in the widths of the decoder that is trained.

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor};
use positional::Spectrum;

use super::Workload;
use super::comparison::{KernelCheck, compare_on, gradient, tolerance, values};
use super::noise::{Noise, integers};
use crate::config::{Activation, DecoderConfig};
use crate::execution::{Execution, Kernels};
use crate::positions::rotary_tables;
use crate::precision::Precision;

/// Rows of an operation that treats each by itself, at most.
const ROWS: usize = 4096;
/// Elements of a tensor, at most.
const ELEMENTS: usize = 1 << 25;
/// Floating-point operations that the CPU may spend on a product and its gradients: a second on sixteen cores.
const FLOPS: usize = 1_000_000_000_000;
/// Rows of the vocabulary, at most, but for its remainder: see [`vocabulary`].
const VOCABULARY: usize = 1 << 16;

pub(super) fn check(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    let config = workload.config;
    let mut checks = norms(device, workload);
    checks.extend(rotations(device, workload));
    if config.hidden_activation == Activation::GeluTanh {
        checks.extend(geglu(device, workload));
    }
    for outputs in widths_of_products(config) {
        checks.extend(linear(device, workload, outputs));
    }
    checks.extend(embedding(device, workload));
    checks.extend(loss(device, workload));
    checks.extend(optimizer(device, workload));
    checks
}

/// Tokens of a pass.
fn tokens(workload: &Workload<'_>) -> usize {
    workload.batch * workload.length
}

/// Rows of `width` elements for an operation that treats each by itself.
fn rows(workload: &Workload<'_>, width: usize) -> usize {
    tokens(workload).min(ROWS).min(ELEMENTS / width).max(1)
}

/// Rows of a product with a matrix of `weights` elements that the CPU computes in about a second, with its gradients.
fn rows_of_product(workload: &Workload<'_>, weights: usize) -> usize {
    let affordable = (FLOPS / (6 * weights)).max(1);
    // Kernels differ by what divides the rows.
    tokens(workload).min(1 << affordable.ilog2())
}

/// The vocabulary, or fewer entries with the same remainder by 64: kernels differ by how rows are aligned.
fn vocabulary(config: &DecoderConfig) -> usize {
    if config.vocab_size <= VOCABULARY {
        config.vocab_size
    } else {
        VOCABULARY + config.vocab_size % 64
    }
}

fn norms(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    let config = workload.config;
    let mut widths = vec![config.hidden_size];
    if config.qk_norm {
        let of_heads = config.layers.values().map(|kind| config.head_dim_of(kind));
        widths.extend(of_heads);
        widths.sort_unstable();
        widths.dedup();
    }
    let norm = fused::Norm {
        offset: config.norm_gain.offset(),
        epsilon: config.rms_norm_eps as f32,
    };
    let mut checks: Vec<KernelCheck> = widths
        .into_iter()
        .flat_map(|width| rms_norm(device, rows(workload, width), width, norm))
        .collect();
    if config.v_norm {
        let width = config.head_dim;
        checks.extend(normalize(
            device,
            rows(workload, width),
            width,
            norm.epsilon,
        ));
    }
    checks
}

fn rms_norm(device: &Device, rows: usize, width: usize, norm: fused::Norm) -> Vec<KernelCheck> {
    let operation = format!("norm ({rows} x {width})");
    compare_on(device, &operation, tolerance(Precision::F32), |device| {
        let x: Tensor<2> = Noise::new(1).tensor([rows, width], device).require_grad();
        let gain: Tensor<1> = Noise::new(2).tensor([width], device).require_grad();
        let out = fused::rms_norm(x.clone(), gain.clone(), norm);
        let gradients = weighted(out.clone(), Noise::new(3)).backward();
        vec![
            ("output", values(out), width),
            ("gradient of input", gradient(&x, &gradients), width),
            ("gradient of gain", gradient(&gain, &gradients), 1),
        ]
    })
}

fn normalize(device: &Device, rows: usize, width: usize, epsilon: f32) -> Vec<KernelCheck> {
    let operation = format!("norm without gain ({rows} x {width})");
    compare_on(device, &operation, tolerance(Precision::F32), |device| {
        let x: Tensor<2> = Noise::new(1).tensor([rows, width], device).require_grad();
        let out = fused::normalize(x.clone(), f64::from(epsilon));
        let gradients = weighted(out.clone(), Noise::new(2)).backward();
        vec![
            ("output", values(out), width),
            ("gradient of input", gradient(&x, &gradients), width),
        ]
    })
}

/// The rotation of every kind of layer that has one.
fn rotations(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    let config = workload.config;
    let mut checks = Vec::new();
    for kind in config.layers.values() {
        let Ok(encoding) = kind.encoding.build(config.attention_shape(kind)) else {
            continue;
        };
        if let Some(spectrum) = encoding.spectrum().filter(|s| !s.is_identity()) {
            let head_dim = config.head_dim_of(kind);
            let most = (ELEMENTS / (workload.length * head_dim)).max(1);
            let shape = [
                1,
                workload.length,
                config.num_attention_heads.min(most),
                head_dim,
            ];
            checks.extend(rotation(device, &encoding.label(), spectrum, shape));
        }
    }
    checks
}

fn rotation(
    device: &Device,
    label: &str,
    spectrum: &Spectrum,
    shape: [usize; 4],
) -> Vec<KernelCheck> {
    let [_, length, heads, head_dim] = shape;
    let operation = format!("rotation ({label}, {length} x {heads} x {head_dim})");
    let row = heads * head_dim;
    compare_on(device, &operation, tolerance(Precision::F32), |device| {
        let Some((cos, sin)) = rotary_tables(spectrum, length, device) else {
            return Vec::new();
        };
        let x: Tensor<4> = Noise::new(1).tensor(shape, device).require_grad();
        let out = fused::rotate(x.clone(), cos, sin);
        let gradients = weighted(out.clone(), Noise::new(2)).backward();
        vec![
            ("output", values(out), row),
            ("gradient of input", gradient(&x, &gradients), row),
        ]
    })
}

fn geglu(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    let width = workload.config.intermediate_size;
    let rows = rows(workload, width);
    let operation = format!("GeGLU ({rows} x {width})");
    compare_on(device, &operation, tolerance(Precision::F32), |device| {
        let input = |stream| -> Tensor<2> { Noise::new(stream).tensor([rows, width], device) };
        let [gate, up] = [1, 2].map(|stream| input(stream).require_grad());
        let out = fused::geglu(gate.clone(), up.clone());
        let gradients = weighted(out.clone(), Noise::new(3)).backward();
        vec![
            ("output", values(out), width),
            ("gradient of gate", gradient(&gate, &gradients), width),
            ("gradient of up", gradient(&up, &gradients), width),
        ]
    })
}

/// Of the feed-forward layer's gate and of keys: the widest and the narrowest results of products. Those with many rows
/// to a column are computed in another way.
fn widths_of_products(config: &DecoderConfig) -> BTreeSet<usize> {
    let keys = config
        .layers
        .values()
        .map(|kind| config.kv_heads_of(kind) * config.head_dim_of(kind));
    keys.chain([config.intermediate_size]).collect()
}

/// The product of hidden states with a matrix of so many columns, as training computes it.
fn linear(device: &Device, workload: &Workload<'_>, outputs: usize) -> Vec<KernelCheck> {
    let inputs = workload.config.hidden_size;
    let rows = rows_of_product(workload, inputs * outputs);
    let precision = workload.precision;
    let operation = format!(
        "product ({}, {rows} x {inputs} x {outputs})",
        precision.name()
    );
    let noise = |stream| Noise::in_precision(stream, precision);
    compare_on(device, &operation, tolerance(precision), |device| {
        let execution = Execution {
            precision: precision_on(device, precision),
            kernels: Kernels::Fused,
            fused_attention: false,
            query_chunk: 1,
        };
        let x: Tensor<2> = noise(1).tensor([rows, inputs], device).require_grad();
        let weight: Tensor<2> = noise(2).tensor([inputs, outputs], device).require_grad();
        let out = execution.linear(x.clone(), weight.clone());
        let gradients = weighted(out.clone(), noise(3)).backward();
        vec![
            ("output", values(out), outputs),
            ("gradient of input", gradient(&x, &gradients), inputs),
            ("gradient of weight", gradient(&weight, &gradients), outputs),
        ]
    })
}

fn embedding(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    let (vocabulary, width) = (vocabulary(workload.config), workload.config.hidden_size);
    let rows = rows(workload, width);
    let operation = format!("embedding ({rows} of {vocabulary} x {width})");
    compare_on(device, &operation, tolerance(Precision::F32), |device| {
        let shape = [vocabulary, width];
        let table: Tensor<2> = Noise::new(1).tensor(shape, device).require_grad();
        let ids = integers(2, vocabulary, [1, rows], device);
        let out = fused::embedding(table.clone(), ids, 3.0);
        let gradients = weighted(out.clone(), Noise::new(3)).backward();
        vec![
            ("output", values(out), width),
            ("gradient of table", gradient(&table, &gradients), width),
        ]
    })
}

fn loss(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    let config = workload.config;
    let (vocabulary, width) = (vocabulary(config), config.hidden_size);
    let rows = rows_of_product(workload, vocabulary * width).min(ROWS);
    let precision = workload.precision;
    let operation = format!(
        "loss ({}, {rows} x {width} x {vocabulary})",
        precision.name()
    );
    compare_on(device, &operation, tolerance(precision), |device| {
        let hidden: Tensor<2> = Noise::in_precision(1, precision)
            .tensor([rows, width], device)
            .require_grad();
        // Logits of variance 4: neither flat nor one-hot.
        let weight: Tensor<2> = Noise {
            scale: 2.0 * (width as f32).powf(-0.5),
            ..Noise::in_precision(2, precision)
        }
        .tensor([vocabulary, width], device)
        .require_grad();
        let targets = integers(3, vocabulary, [rows], device);
        let head = fused::Head {
            softcap: config.final_logit_softcapping.map(|cap| cap as f32),
            scale: 1.0 / rows as f32,
            bf16: precision_on(device, precision) == Precision::Bf16,
        };
        let loss = fused::loss(hidden.clone(), weight.clone(), targets, head);
        let gradients = loss.clone().backward();
        vec![
            ("value", values(loss), 1),
            ("gradient of input", gradient(&hidden, &gradients), width),
            ("gradient of weight", gradient(&weight, &gradients), width),
        ]
    })
}

fn optimizer(device: &Device, workload: &Workload<'_>) -> Vec<KernelCheck> {
    let width = workload.config.hidden_size;
    let length = rows(workload, width) * width;
    let operation = format!("AdamW ({length} parameters)");
    compare_on(device, &operation, tolerance(Precision::F32), |device| {
        let device = device.clone().inner();
        let noise = |stream| -> Tensor<1> { Noise::new(stream).tensor([length], &device) };
        let gradient = noise(2);
        let square = noise(4);
        let norm = values(fused::sum_of_squares(gradient.clone()));
        let second = square.clone() * square;
        let [param, first, second] = fused::adamw(
            noise(1),
            gradient,
            noise(3),
            second,
            fused::AdamW {
                learning_rate: 0.3,
                beta1: 0.9,
                beta2: 0.95,
                epsilon: 1e-8,
                weight_decay: 0.1,
                gradient_scale: 0.5,
                step: 3,
            },
        );
        vec![
            ("sum of squares", norm, 1),
            ("parameters", values(param), 1),
            ("first moments", values(first), 1),
            ("second moments", values(second), 1),
        ]
    })
}

/// The CPU computes in f32 whatever is checked.
fn precision_on(device: &Device, precision: Precision) -> Precision {
    if super::is_reference(device) {
        Precision::F32
    } else {
        precision
    }
}

/// The sum of `x`, each element with a factor of its own: a scalar whose gradients meet all of `x`.
fn weighted<const R: usize>(x: Tensor<R>, factors: Noise) -> Tensor<1> {
    let factors = factors.tensor(x.dims(), &x.device());
    (x * factors).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;

    fn workload(config: &DecoderConfig) -> Workload<'_> {
        Workload {
            config,
            batch: 2,
            length: 48,
            precision: Precision::F32,
        }
    }

    /// The CPU against itself: every operation runs, and every result is something.
    #[test]
    fn every_operation_has_results() {
        let mut config = preset("micro").expect("a preset");
        (config.qk_norm, config.v_norm) = (true, true);
        let checks = check(&Device::flex(), &workload(&config));
        let mut operations: Vec<&str> = checks
            .iter()
            .filter_map(|check| check.operation.split(" (").next())
            .collect();
        operations.dedup();
        assert_eq!(
            operations,
            [
                "norm",
                "norm without gain",
                "rotation",
                "GeGLU",
                "product",
                "embedding",
                "loss",
                "AdamW"
            ]
        );
        assert!(checks.iter().all(KernelCheck::passed), "{checks:?}");
    }

    #[test]
    fn sizes_are_cut_but_alignment_stays() {
        let mut config = preset("micro").expect("a preset");
        config.vocab_size = 50_257;
        assert_eq!(vocabulary(&config), 50_257);
        config.vocab_size = 256_003;
        assert_eq!(vocabulary(&config), VOCABULARY + 3);
        let workload = Workload {
            batch: 64,
            length: 8192,
            ..workload(&config)
        };
        assert_eq!(rows(&workload, 64), ROWS);
        assert_eq!(rows(&workload, 1 << 20), 32);
        assert_eq!(rows_of_product(&workload, 1 << 30), 128);
    }
}
