//! Gated linear unit with the tanh form of GELU: `gelu(gate) * up`.
//!
//! `gelu(x) = x * sigmoid(z)` with `z = 2 sqrt(2/pi) (x + 0.044715 x^3)`, which is
//! `x/2 * (1 + tanh(z/2))`.

use crate::math::sigmoid;
use crate::parallel::{BLOCK, for_each};
use crate::simd::vectorised;

/// `2 sqrt(2/pi)`
const SLOPE: f32 = 1.595_769;
const CUBIC: f32 = 0.044_715;
/// Where the logistic function has long reached 0 and 1; `x^3` must not overflow beyond.
const SATURATED: f32 = 12.0;

/// Writes `gelu(gate) * up` to `out`. All of any shape, but the same.
///
/// # Panics
/// If lengths disagree.
pub fn forward(gate: &[f32], up: &[f32], out: &mut [f32]) {
    assert_eq!(gate.len(), up.len(), "gate and up");
    assert_eq!(gate.len(), out.len(), "gate and out");
    let inputs = gate.chunks(BLOCK).zip(up.chunks(BLOCK));
    let blocks = inputs.zip(out.chunks_mut(BLOCK)).collect();
    for_each(blocks, |((gate, up), out)| {
        vectorised(
            #[inline(always)]
            || {
                for ((&gate, &up), out) in gate.iter().zip(up).zip(out.iter_mut()) {
                    *out = gate * logistic(gate).0 * up;
                }
            },
        );
    });
}

/// Gradients of [`forward`], given that of its output. All of any shape, but the same; `grad_gate` and
/// `grad_up` are overwritten.
///
/// # Panics
/// If lengths disagree.
pub fn backward(
    gate: &[f32],
    up: &[f32],
    grad_out: &[f32],
    grad_gate: &mut [f32],
    grad_up: &mut [f32],
) {
    assert_eq!(gate.len(), up.len(), "gate and up");
    assert_eq!(gate.len(), grad_out.len(), "gate and grad_out");
    assert_eq!(gate.len(), grad_gate.len(), "gate and grad_gate");
    assert_eq!(gate.len(), grad_up.len(), "gate and grad_up");
    let inputs = gate.chunks(BLOCK).zip(up.chunks(BLOCK));
    let inputs = inputs.zip(grad_out.chunks(BLOCK));
    let gradients = grad_gate.chunks_mut(BLOCK).zip(grad_up.chunks_mut(BLOCK));
    let blocks = inputs.zip(gradients).collect();
    for_each(blocks, |(((gate, up), grad_out), (grad_gate, grad_up))| {
        vectorised(
            #[inline(always)]
            || {
                let inputs = gate.iter().zip(up).zip(grad_out);
                let gradients = grad_gate.iter_mut().zip(grad_up.iter_mut());
                for (((&gate, &up), &grad_out), (grad_gate, grad_up)) in inputs.zip(gradients) {
                    let (logistic, stretch) = logistic(gate);
                    *grad_up = grad_out * (gate * logistic);
                    *grad_gate = grad_out * up * (logistic + stretch);
                }
            },
        );
    });
}

/// `sigmoid(z(x))`, and `x` times its derivative by `x`.
#[inline(always)]
fn logistic(x: f32) -> (f32, f32) {
    let x = x.clamp(-SATURATED, SATURATED);
    let square = x * x;
    let value = sigmoid(SLOPE * x * square.mul_add(CUBIC, 1.0));
    let slope = SLOPE * square.mul_add(3.0 * CUBIC, 1.0);
    (value, value * (1.0 - value) * (x * slope))
}
