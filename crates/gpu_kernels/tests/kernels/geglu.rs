use gpu_kernels::geglu::{backward, forward};
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

fn check(gpu: &Gpu, seed: u64, length: usize, magnitude: f32, precision: Precision) {
    let gate = precision.rounded(random(seed, length, magnitude));
    let up = precision.rounded(random(seed + 1, length, 2.0));
    let grad_out = precision.rounded(random(seed + 2, length, 2.0));
    let gpu_inputs = [&gate, &up, &grad_out].map(|values| gpu.up(values, precision));
    let (gate, up, grad_out) = (double(&gate), double(&up), double(&grad_out));
    let expected = |f: &dyn Fn(usize) -> f64| (0..length).map(f).collect::<Vec<f64>>();
    let out = expected(&|i| gelu(gate[i]) * up[i]);
    let grad_gate = expected(&|i| grad_out[i] * up[i] * gelu_slope(gate[i]));
    let grad_up = expected(&|i| grad_out[i] * gelu(gate[i]));

    let [on_gate, on_up, on_grad] = &gpu_inputs;
    let (client, dtype) = (&gpu.client, precision.dtype());
    let ours = forward(client, on_gate, on_up, length, dtype);
    let gradients = backward(client, on_gate, on_up, on_grad, length, dtype);
    // Relative to the factors: GELU itself falls to nothing below 0.
    let product = 2.0 * f64::from(magnitude.max(1.0));
    let error = |largest: f64| precision.tolerance(6e-7) * largest;
    let within = |name, ours, expected: &[f64], error| {
        assert_within(name, &gpu.down(ours, precision), expected, error);
    };
    within("out", &ours, &out, error(product));
    within("grad_gate", &gradients.0, &grad_gate, error(4.5));
    within("grad_up", &gradients.1, &grad_up, error(product));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    #[ignore = "needs a Vulkan device: make test-vulkan"]
    fn equals_the_formula(seed in 0u64..1000, length in 1usize..5000, magnitude in 0.1f32..20.0) {
        check(&Gpu::new(), seed, length, magnitude, SINGLE);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn many_gates_equal_the_formula() {
    let gpu = Gpu::new();
    for magnitude in [1.0, 3.0, 6.0, 13.0] {
        check(&gpu, 1, 300_001, magnitude, SINGLE);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn huge_gates_equal_the_formula() {
    let gpu = Gpu::new();
    for magnitude in [1e3, 1e10, 1e20] {
        check(&gpu, 1, 1001, magnitude, SINGLE);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn all_precisions_equal_the_formula() {
    let gpu = Gpu::new();
    for precision in gpu.precisions() {
        for length in [512, 333] {
            check(&gpu, 1, length, 4.0, precision);
        }
    }
}
