//! The decoder on a GPU through wgpu agrees with the CPU: forward and gradients, of plain operations and of our kernels.
//!
//! Any device that wgpu finds will do, a real GPU first, else a software rasterizer (Debian's
//! `mesa-vulkan-drivers`). Run by `make test-vulkan` only, which fails where there is no device.

use burn::tensor::{Device, DeviceKind, DeviceType, FloatDType, Tensor, TensorData};
use decoder::{
    Decoder, DecoderConfig, Execution, KernelCheck, Kernels, LayerKind, Precision, Workload,
    check_attention, check_operations, load_parameters, named_tensors,
};
use positional::EncodingConfig;

use crate::common::{assert_close, everything, fused, logits, plain, small, tokens};
use crate::gradients::gradients;

fn device() -> Device {
    let found = Device::enumerate(DeviceType::Wgpu).into_vec();
    let software = Device::wgpu(DeviceKind::Cpu);
    found
        .iter()
        .find(|device| **device != software)
        .or(found.first())
        .cloned()
        .expect("wgpu finds no device (Debian: apt-get install mesa-vulkan-drivers)")
}

/// The same weights on the CPU and on `device`.
fn pair(config: &DecoderConfig, device: &Device) -> (Decoder, Decoder) {
    let on = |device: &Device| Decoder::new(config.clone(), 3, device).expect("valid config");
    let cpu = on(&Device::flex().autodiff());
    let gpu = on(&device.clone().autodiff());
    let gpu = load_parameters(gpu, named_tensors(&cpu)).expect("same parameters");
    (cpu, gpu)
}

fn assert_agrees(config: &DecoderConfig, execution: Execution) {
    let device = device();
    let (cpu, gpu) = pair(config, &device);
    let batch = tokens(2, 13);
    let expected = logits(&cpu, &batch, plain(usize::MAX));
    assert_close(&logits(&gpu, &batch, execution), &expected, 1e-4);
    let expected = gradients(&cpu, plain(usize::MAX));
    for ((name, a), (_, b)) in gradients(&gpu, execution).into_iter().zip(expected) {
        let size = b.iter().map(|g| g * g).sum::<f32>().sqrt();
        let difference = a
            .iter()
            .zip(&b)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f32>()
            .sqrt();
        assert!(
            difference <= 1e-3 * size + 1e-6,
            "{name}: off by {difference} of {size}"
        );
    }
}

#[test]
#[ignore = "takes minutes on a software rasterizer: make test-vulkan"]
fn vulkan_forward_and_gradients_reference() {
    assert_agrees(&small(EncodingConfig::new("prope")), plain(usize::MAX));
}

/// Our kernels, with attention written out so that a device whose fused attention is wrong is tested too.
#[test]
#[ignore = "takes minutes on a software rasterizer: make test-vulkan"]
fn vulkan_forward_and_gradients_of_our_kernels() {
    let execution = Execution {
        kernels: Kernels::Fused,
        ..plain(4)
    };
    assert_agrees(&small(EncodingConfig::new("prope")), execution);
    assert_agrees(&everything(), execution);
}

/// Grouped heads, a window and norms of queries, keys and values, 2 x 96 tokens: more than one tile.
fn checked(config: &DecoderConfig) -> Workload<'_> {
    Workload {
        config,
        batch: 2,
        length: 96,
        precision: Precision::F32,
    }
}

/// One kind of layer: cubek tunes attention by timing it, for each kind anew, and more tuning meets a race of
/// wgpu 30 on a software rasterizer (`docs/decisions.md`).
fn windowed() -> DecoderConfig {
    let encoding = EncodingConfig::new("prope");
    let mut config = small(encoding.clone());
    (config.head_dim, config.qk_norm, config.v_norm) = (16, true, true);
    let local = LayerKind::local(40, encoding);
    config.layers.insert("global".to_owned(), local);
    config
}

#[test]
#[ignore = "takes minutes on a software rasterizer: make test-vulkan"]
fn vulkan_every_operation_passes_the_check_before_training() {
    let config = windowed();
    let checks = check_operations(&device(), &checked(&config));
    assert!(checks.len() > 15, "{checks:?}");
    let wrong: Vec<_> = checks.iter().filter(|check| !check.passed()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Where the fused attention is right, a decoder on it is, sliding windows included; where it is wrong, we know.
#[test]
#[ignore = "takes minutes on a software rasterizer: make test-vulkan"]
fn vulkan_fused_attention_is_right_or_known_to_be_wrong() {
    let config = windowed();
    let checks = check_attention(&device(), &checked(&config));
    // The first and the last key-value head, four results each.
    assert_eq!(checks.len(), 8, "{checks:?}");
    if checks.iter().all(KernelCheck::passed) {
        assert_agrees(&config, fused());
        assert_agrees(&everything(), fused());
    } else {
        for check in checks.iter().filter(|check| !check.passed()) {
            println!("{check}");
        }
        println!("the fused attention is wrong here; the trainer does not use it");
    }
}

/// Value and gradients of `(x @ w) * direction` in 16 bits, computed on `device` and read in f32.
fn half_product(x: [usize; 3], columns: usize, device: &Device) -> [Vec<f32>; 3] {
    let [batch, rows, inner] = x;
    let wave = |shape: [usize; 3], pace: f32| {
        let count = shape.iter().product::<usize>();
        let values = (0..count).map(|i| (i as f32 * pace).sin()).collect();
        Tensor::<3>::from_data(TensorData::new(values, shape), device)
    };
    let x = wave([batch, rows, inner], 0.37).require_grad();
    let weight = wave([batch, inner, columns], 0.53).require_grad();
    let [half_x, half_weight] = [&x, &weight].map(|x| x.clone().cast(FloatDType::F16));
    let out = fused::linear(half_x, half_weight).cast(FloatDType::F32);
    let direction = wave([batch, rows, columns], 0.71);
    let gradients = (out.clone() * direction).sum().backward();
    let [of_x, of_weight] = [&x, &weight].map(|x| x.grad(&gradients).expect("a gradient"));
    [out.inner(), of_x, of_weight].map(|x| x.into_data().iter().collect())
}

/// Results with many rows to a column are cut into batches of products or turned on their side
/// (`fused/src/cube_product.rs`): products, gradients of both inputs, with and without rows to cut at.
#[test]
#[ignore = "takes minutes on a software rasterizer: make test-vulkan"]
fn vulkan_tall_products_of_16_bits() {
    let device = device().autodiff();
    for (x, columns) in [
        ([1, 256, 48], 16), // eight products of 32 rows
        ([1, 250, 16], 24), // 250 rows have no such part: turned
        ([1, 16, 192], 32), // the gradient of the weight is tall
        ([3, 192, 24], 16), // a batch: turned
        ([2, 40, 32], 40),  // not tall
    ] {
        let [rows, inner] = [x[1], x[2]];
        let found = half_product(x, columns, &device);
        let exact = product_on_host(x, columns);
        for ((name, found), exact) in ["value", "of x", "of weight"].iter().zip(found).zip(exact) {
            let size = exact.iter().map(|e| e * e).sum::<f64>().sqrt();
            let off = found
                .iter()
                .zip(&exact)
                .map(|(f, e)| (f64::from(*f) - e).powi(2));
            let off = off.sum::<f64>().sqrt() / size;
            assert!(
                off < 1e-2,
                "{rows} x {inner} x {columns}, {name}: off by {off:.1e}"
            );
        }
    }
}

/// The same in f64 by three loops.
fn product_on_host([batch, rows, inner]: [usize; 3], columns: usize) -> [Vec<f64>; 3] {
    let wave = |i: usize, pace: f32| f64::from((i as f32 * pace).sin());
    let mut value = vec![0.0; batch * rows * columns];
    let mut of_x = vec![0.0; batch * rows * inner];
    let mut of_weight = vec![0.0; batch * inner * columns];
    for b in 0..batch {
        for r in 0..rows {
            for i in 0..inner {
                for c in 0..columns {
                    let out = (b * rows + r) * columns + c;
                    let (at_x, at_weight) =
                        ((b * rows + r) * inner + i, (b * inner + i) * columns + c);
                    let (x, weight, direction) =
                        (wave(at_x, 0.37), wave(at_weight, 0.53), wave(out, 0.71));
                    value[out] += x * weight;
                    of_x[at_x] += direction * weight;
                    of_weight[at_weight] += x * direction;
                }
            }
        }
    }
    [value, of_x, of_weight]
}

#[test]
#[ignore = "takes minutes on a software rasterizer: make test-vulkan"]
fn vulkan_forward_and_gradients_of_every_option() {
    assert_agrees(&everything(), plain(4));
}
