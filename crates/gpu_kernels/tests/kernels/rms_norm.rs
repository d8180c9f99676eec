use cpu_kernels::rms_norm as cpu;
use gpu_kernels::rms_norm::{Shape, backward, forward};
use proptest::prelude::*;

use crate::tools::*;

const EPSILON: f32 = 1e-6;

/// A problem, on the host.
struct Problem {
    x: Vec<f32>,
    gain: Option<Vec<f32>>,
    offset: f32,
    grad_out: Vec<f32>,
    rows: usize,
    width: usize,
    precision: Precision,
}

/// Outputs, gradients by x and by the gain.
struct Results {
    out: Vec<f32>,
    inverse: Vec<f32>,
    grad_x: Vec<f32>,
    grad_gain: Option<Vec<f32>>,
}

impl Problem {
    fn random(seed: u64, rows: usize, width: usize, gain: bool, magnitude: f32) -> Self {
        Self {
            x: random(seed, rows * width, magnitude),
            gain: gain.then(|| random(seed + 1, width, 1.0)),
            offset: 1.0,
            grad_out: random(seed + 2, rows * width, 1.0),
            rows,
            width,
            precision: SINGLE,
        }
    }

    fn with(mut self, precision: Precision) -> Self {
        self.x = precision.rounded(self.x);
        self.gain = self.gain.map(|gain| precision.rounded(gain));
        self.grad_out = precision.rounded(self.grad_out);
        self.precision = precision;
        self
    }

    fn ours(&self, gpu: &Gpu) -> Results {
        let precision = self.precision;
        let shape = Shape {
            rows: self.rows,
            width: self.width,
            dtype: precision.dtype(),
        };
        let x = gpu.up(&self.x, precision);
        let gain = self.gain.as_ref().map(|gain| gpu.up(gain, precision));
        let gain = gain.as_ref();
        let grad_out = gpu.up(&self.grad_out, precision);
        let client = &gpu.client;
        let (out, inverse) = forward(client, &x, gain, self.offset, EPSILON, shape);
        let (grad_x, grad_gain) =
            backward(client, &x, gain, self.offset, &inverse, &grad_out, shape);
        Results {
            out: gpu.down(&out, precision),
            inverse: gpu.down(&inverse, SINGLE),
            grad_x: gpu.down(&grad_x, precision),
            grad_gain: grad_gain.map(|grad| gpu.down(&grad, precision)),
        }
    }

    fn expected(&self) -> Results {
        let elements = self.x.len();
        let mut results = Results {
            out: vec![0.0; elements],
            inverse: vec![0.0; self.rows],
            grad_x: vec![0.0; elements],
            grad_gain: self.gain.as_ref().map(|gain| vec![0.0; gain.len()]),
        };
        let gain = self.gain.as_deref();
        let (out, inverse) = (&mut results.out, &mut results.inverse);
        cpu::forward(&self.x, gain, self.offset, EPSILON, out, inverse);
        cpu::backward(
            &self.x,
            gain,
            self.offset,
            inverse,
            &self.grad_out,
            &mut results.grad_x,
            results.grad_gain.as_deref_mut(),
        );
        results
    }

    fn check(&self, gpu: &Gpu) {
        let (ours, expected) = (self.ours(gpu), self.expected());
        let tolerance = |single| self.precision.tolerance(single);
        let close = |name, ours: &[f32], expected: &[f32], error| {
            assert_close(name, ours, &double(expected), error);
        };
        close("out", &ours.out, &expected.out, tolerance(2e-6));
        for (ours, expected) in ours.inverse.iter().zip(&expected.inverse) {
            assert!(
                (ours - expected).abs() <= 2e-6 * expected,
                "inverse: {ours:e} instead of {expected:e}"
            );
        }
        // Rows differ in their size, and two terms of a gradient may cancel: what counts is how large
        // the terms are.
        let rows = ours.grad_x.chunks(self.width);
        let rows = rows.zip(expected.grad_x.chunks(self.width));
        for ((ours, expected), inverse) in rows.zip(&expected.inverse) {
            let error = tolerance(2e-6) * 2.0 * f64::from(*inverse);
            assert_within("grad_x", ours, &double(expected), error);
        }
        assert_eq!(ours.grad_gain.is_some(), expected.grad_gain.is_some());
        if let (Some(ours), Some(expected)) = (ours.grad_gain, expected.grad_gain) {
            close("grad_gain", &ours, &expected, tolerance(1e-5));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    #[ignore = "needs a Vulkan device: make test-vulkan"]
    fn equals_the_cpu(
        seed in 0u64..1000, rows in 1usize..80, width in 1usize..600, gain: bool, whole: bool,
    ) {
        let width = if whole { width * 4 } else { width };
        Problem::random(seed, rows, width, gain, 3.0).check(&Gpu::new());
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn single_elements_and_rows_equal_the_cpu() {
    let gpu = Gpu::new();
    for (rows, width) in [(1, 1), (1, 7), (1, 1152), (17, 1), (33, 4), (2, 3000)] {
        Problem::random(3, rows, width, true, 2.0).check(&gpu);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn more_rows_than_a_grid_is_long_equal_the_cpu() {
    Problem::random(1, 66_001, 5, true, 1.0).check(&Gpu::new());
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn gains_without_an_offset_equal_the_cpu() {
    let problem = Problem::random(1, 9, 40, true, 1.0);
    Problem {
        offset: 0.0,
        ..problem
    }
    .check(&Gpu::new());
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn all_precisions_equal_the_cpu() {
    let gpu = Gpu::new();
    for precision in gpu.precisions() {
        for width in [64, 37] {
            let problem = Problem::random(1, 11, width, true, 1.0);
            problem.with(precision).check(&gpu);
        }
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn small_and_large_rows_equal_the_cpu() {
    let gpu = Gpu::new();
    for magnitude in [1e-6, 1e4, 1e15] {
        Problem::random(1, 5, 33, true, magnitude).check(&gpu);
    }
    let zeros = Problem::random(1, 3, 22, true, 0.0).ours(&gpu);
    assert!(zeros.out.iter().all(|&x| x == 0.0));
    assert!(zeros.grad_x.iter().all(|x| x.is_finite()));
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn the_same_input_gives_the_same_bits() {
    let gpu = Gpu::new();
    let problem = Problem::random(1, 501, 260, true, 1.0);
    let (one, other) = (problem.ours(&gpu), problem.ours(&gpu));
    assert_eq!(bits(&one.grad_x), bits(&other.grad_x));
    let (one, other) = (one.grad_gain.unwrap(), other.grad_gain.unwrap());
    assert_eq!(bits(&one), bits(&other));
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn no_rows_have_no_gradient() {
    let gpu = Gpu::new();
    let (client, nothing) = (&gpu.client, gpu.client.empty(0));
    for width in [6, 8] {
        let shape = Shape {
            rows: 0,
            width,
            dtype: SINGLE.dtype(),
        };
        let gain = gpu.single(&random(1, width, 1.0));
        let gain = Some(&gain);
        forward(client, &nothing, gain, 1.0, EPSILON, shape);
        let gradients = backward(client, &nothing, gain, 1.0, &nothing, &nothing, shape);
        assert_eq!(gpu.down(&gradients.1.unwrap(), SINGLE), vec![0.0; width]);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
#[should_panic(expected = "x: a buffer of 8 elements, not 9")]
fn buffers_must_be_long_enough() {
    let gpu = Gpu::new();
    let x = gpu.single(&[0.0; 8]);
    let shape = Shape {
        rows: 3,
        width: 3,
        dtype: SINGLE.dtype(),
    };
    forward(&gpu.client, &x, None, 0.0, EPSILON, shape);
}
