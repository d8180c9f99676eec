use cpu_kernels::geglu::{backward, forward};
use proptest::prelude::*;

use crate::tools::*;

/// `x/2 * (1 + tanh(sqrt(2/pi) (x + 0.044_715 x^3)))`
fn gelu(x: f64) -> f64 {
    let z = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
    // As 1 / (1 + e^-2z), which does not cancel where z is far below 0.
    x / (1.0 + (-2.0 * z).exp())
}

/// Its derivative.
fn gelu_slope(x: f64) -> f64 {
    let root = (2.0 / std::f64::consts::PI).sqrt();
    let tanh = (root * (x + 0.044_715 * x.powi(3))).tanh();
    0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * root * (1.0 + 3.0 * 0.044_715 * x * x)
}

/// Output, gradients by gate and by up.
fn ours(gate: &[f32], up: &[f32], grad_out: &[f32]) -> Vec<Vec<f32>> {
    let n = gate.len();
    let (mut out, mut grad_gate, mut grad_up) = (dirty(n), dirty(n), dirty(n));
    forward(gate, up, &mut out);
    backward(gate, up, grad_out, &mut grad_gate, &mut grad_up);
    vec![out, grad_gate, grad_up]
}

fn check(seed: u64, length: usize, magnitude: f32) {
    let gate = random(seed, length, magnitude);
    let up = random(seed + 1, length, 2.0);
    let grad_out = random(seed + 2, length, 2.0);
    let ours = ours(&gate, &up, &grad_out);
    let expected = |f: &dyn Fn(usize) -> f64| (0..length).map(f).collect::<Vec<f64>>();
    let (gate, up, grad_out) = (double(&gate), double(&up), double(&grad_out));
    // Relative to the factors: GELU itself falls to nothing below 0.
    let product = 2.0 * f64::from(magnitude);
    let out = expected(&|i| gelu(gate[i]) * up[i]);
    let grad_gate = expected(&|i| grad_out[i] * up[i] * gelu_slope(gate[i]));
    let grad_up = expected(&|i| grad_out[i] * gelu(gate[i]));
    assert_within("out", &ours[0], &out, 5e-7 * product);
    assert_within("grad_gate", &ours[1], &grad_gate, 3e-6 * 4.0);
    assert_within("grad_up", &ours[2], &grad_up, 5e-7 * product);
}

proptest! {
    #[test]
    fn equals_the_formula(seed in 0u64..1000, length in 1usize..600, magnitude in 0.01f32..20.0) {
        check(seed, length, magnitude);
    }
}

#[test]
fn many_blocks_equal_the_formula() {
    check(1, 100_003, 4.0);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let gate = random(1, 40, 3.0);
    let (up, grad_out) = (random(2, 40, 1.0), random(3, 40, 1.0));
    let ours = ours(&gate, &up, &grad_out);
    let value = |gate: &[f64], up: &[f64]| {
        let out: Vec<f64> = gate
            .iter()
            .zip(up)
            .map(|(&gate, up)| gelu(gate) * up)
            .collect();
        weighted_sum(&out, &grad_out)
    };
    let (gate, up) = (double(&gate), double(&up));
    assert_close(
        "grad_gate",
        &ours[1],
        &differences(&gate, |gate| value(gate, &up)),
        1e-6,
    );
    assert_close(
        "grad_up",
        &ours[2],
        &differences(&up, |up| value(&gate, up)),
        1e-6,
    );
}

#[test]
fn large_gates_are_the_identity_or_nothing() {
    let gate = [1e4, -1e4, 1e20, -1e20, 3e38, -3e38, 0.0];
    let ours = ours(&gate, &[1.0; 7], &[1.0; 7]);
    let identity: Vec<f32> = gate.iter().map(|gate| gate.max(0.0)).collect();
    // What is left of e^-88 times the gate.
    for (out, (identity, gate)) in ours[0].iter().zip(identity.iter().zip(gate)) {
        assert!(
            (out - identity).abs() <= 1e-37 * gate.abs(),
            "{out} at {gate}"
        );
    }
    assert_eq!(ours[0], ours[2]);
    for (slope, expected) in ours[1].iter().zip([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.5]) {
        assert!(
            (slope - expected).abs() < 1e-6,
            "{slope} instead of {expected}"
        );
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let [gate, up, grad_out] = [1, 2, 3].map(|seed| random(seed, 100_003, 2.0));
    assert_same_on_any_threads(|| ours(&gate, &up, &grad_out));
}

#[test]
#[should_panic(expected = "gate and out")]
fn lengths_must_agree() {
    forward(&[0.0; 8], &[0.0; 8], &mut [0.0; 4]);
}
