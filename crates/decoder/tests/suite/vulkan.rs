//! The decoder on a GPU through wgpu agrees with the CPU: forward and gradients, of plain operations and of our kernels.
//!
//! Any device that wgpu finds will do, a real GPU first, else a software rasterizer (Debian's
//! `mesa-vulkan-drivers`). Run by `make test-vulkan` only, which fails where there is no device.

use burn::tensor::{Device, DeviceKind, DeviceType};
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

#[test]
#[ignore = "takes minutes on a software rasterizer: make test-vulkan"]
fn vulkan_forward_and_gradients_of_every_option() {
    assert_agrees(&everything(), plain(4));
}
