//! The decoder on a GPU through wgpu agrees with the CPU: forward and gradients, of plain operations and of our kernels.
//!
//! Any device that wgpu finds will do, a real GPU first, else a software rasterizer (Debian's
//! `mesa-vulkan-drivers`). Run by `make test-vulkan` only, which fails where there is no device.

use burn::tensor::{Device, DeviceKind, DeviceType};
use decoder::{
    Decoder, DecoderConfig, Execution, Kernels, LayerKind, fused_attention_is_right,
    load_parameters, named_tensors,
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

/// Where the fused attention is right, a decoder on it is, sliding windows included; where it is wrong, we know.
#[test]
#[ignore = "takes minutes on a software rasterizer: make test-vulkan"]
fn vulkan_fused_attention_is_right_or_known_to_be_wrong() {
    let device = device();
    if fused_attention_is_right(&device) {
        let encoding = EncodingConfig::new("prope");
        let mut config = small(encoding.clone());
        assert_agrees(&config, fused());
        config.pattern = ["local", "global"].map(str::to_owned).to_vec();
        config
            .layers
            .insert("local".to_owned(), LayerKind::local(5, encoding));
        assert_agrees(&config, fused());
        assert_agrees(&everything(), fused());
    } else {
        println!("the fused attention gives wrong gradients here; the trainer does not use it");
    }
}

#[test]
#[ignore = "takes minutes on a software rasterizer: make test-vulkan"]
fn vulkan_forward_and_gradients_of_every_option() {
    assert_agrees(&everything(), plain(4));
}
