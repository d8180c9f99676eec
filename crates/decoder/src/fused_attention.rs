//! Does the fused attention compute the right gradients on this device?
//!
//! It is compiled for each device anew, and on some it is wrong: on a software rasterizer (Mesa's lavapipe
//! 22.3) the gradients of keys and values were off by factors while the output was right, a mistake that
//! shows nowhere but in models that learn badly. A glance before training costs a few kernels.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};

/// Sequences, heads, key-value heads, tokens, head size: several heads share a key, and the tokens fill
/// more than one tile.
const SHAPE: [usize; 5] = [2, 4, 2, 64, 16];
const SCALE: f64 = 0.25;

/// Output and gradients of the fused attention agree with the same written out, to 0.1%.
pub fn fused_attention_is_right(device: &Device) -> bool {
    let device = device.clone().inner().autodiff();
    let expected = outcome(&device, written_out);
    let found = outcome(&device, |q, k, v| {
        let attention = fused::Attention {
            scale: SCALE as f32,
            softcap: None,
            window: None,
            bias: None,
        };
        let [q, k, v] = [q, k, v].map(|x| x.swap_dims(1, 2)); // [B, T, heads, D]
        fused::attention(q, k, v, attention).swap_dims(1, 2)
    });
    expected
        .iter()
        .zip(&found)
        .all(|(expected, found)| agree(expected, found))
}

/// Output, and gradients of a weighted sum of it with respect to queries, keys and values.
fn outcome(
    device: &Device,
    attention: impl Fn(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>,
) -> Vec<Vec<f32>> {
    let [batch, heads, kv_heads, length, head_dim] = SHAPE;
    let input = |heads: usize, phase: f32| wave([batch, heads, length, head_dim], phase, device);
    let [q, k, v] = [(heads, 0.1), (kv_heads, 0.7), (kv_heads, 1.9)]
        .map(|(heads, phase)| input(heads, phase).require_grad());
    let out = attention(q.clone(), k.clone(), v.clone()); // [B, H, T, D]
    let values = |x: Tensor<4>| x.into_data().iter::<f32>().collect::<Vec<f32>>();
    let mut found = vec![values(out.clone())];
    let gradients = (out * input(heads, 3.3)).sum().backward();
    for x in [q, k, v] {
        let gradient = x.grad(&gradients).map(Tensor::into_data);
        found.push(gradient.map_or_else(Vec::new, |data| data.iter::<f32>().collect()));
    }
    found
}

fn written_out(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [batch, heads, kv_heads, length, head_dim] = SHAPE;
    let groups = heads / kv_heads;
    let repeated = |x: Tensor<4>| {
        x.reshape([batch, kv_heads, 1, length, head_dim])
            .expand([batch, kv_heads, groups, length, head_dim])
            .reshape([batch, heads, length, head_dim])
    };
    let hidden: Vec<f32> = (0..length * length)
        .map(|i| if i % length > i / length { -1e30 } else { 0.0 })
        .collect();
    let hidden = Tensor::from_data(TensorData::new(hidden, [1, 1, length, length]), &q.device());
    let scores = q.matmul(repeated(k).swap_dims(2, 3)) * SCALE + hidden; // [B, H, T, T]
    softmax(scores, 3).matmul(repeated(v))
}

/// Numbers without pattern, the same everywhere.
fn wave(shape: [usize; 4], phase: f32, device: &Device) -> Tensor<4> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|i| 1.3 * (0.37 * i as f32 + phase).sin())
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn agree(expected: &[f32], found: &[f32]) -> bool {
    let largest = expected.iter().map(|x| x.abs()).fold(0.0f32, f32::max);
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-3 * largest;
    expected.len() == found.len() && expected.iter().zip(found).all(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_s_is_right() {
        assert!(fused_attention_is_right(&Device::flex()));
    }

    #[test]
    fn differences_and_missing_values_are_seen() {
        assert!(agree(&[1.0, -2.0], &[1.001, -2.0]));
        assert!(!agree(&[1.0, -2.0], &[1.01, -2.0]));
        assert!(!agree(&[1.0, -2.0], &[f32::NAN, -2.0]));
        assert!(!agree(&[1.0, -2.0], &[1.0]));
    }
}
