use gpu_kernels::cross_entropy::{Shape, losses, losses_and_gradients};
use proptest::prelude::*;

use crate::tools::*;

const SCALE: f32 = 0.37;

/// A problem, on the host.
struct Problem {
    logits: Vec<f32>,
    targets: Vec<i32>,
    softcap: Option<f32>,
}

impl Problem {
    fn random(seed: u64, rows: usize, words: usize, magnitude: f32, softcap: Option<f32>) -> Self {
        Self {
            logits: random(seed, rows * words, magnitude),
            targets: random_ids(seed + 1, rows, words),
            softcap,
        }
    }

    fn shape(&self) -> Shape {
        let rows = self.targets.len();
        Shape {
            rows,
            vocabulary: self.logits.len() / rows,
            targets: integers(),
        }
    }

    /// Losses alone; losses and gradients.
    fn ours(&self, gpu: &Gpu) -> [Vec<f32>; 3] {
        let (logits, targets) = (gpu.single(&self.logits), gpu.ids(&self.targets));
        let client = &gpu.client;
        let alone = losses(client, &logits, &targets, self.softcap, self.shape());
        let untouched = gpu.down(&logits, SINGLE);
        assert_eq!(bits(&untouched), bits(&self.logits), "logits are only read");
        let shape = self.shape();
        let losses = losses_and_gradients(client, &logits, &targets, self.softcap, SCALE, shape);
        [alone, losses, logits].map(|buffer| gpu.down(&buffer, SINGLE))
    }

    /// A row's logits after the soft-cap and the cap's slopes.
    fn capped(&self, row: &[f64]) -> Vec<(f64, f64)> {
        let capped = |&logit: &f64| match self.softcap.map(f64::from) {
            Some(cap) => {
                let tanh = (logit / cap).tanh();
                (cap * tanh, 1.0 - tanh * tanh)
            }
            None => (logit, 1.0),
        };
        row.iter().map(capped).collect()
    }

    /// A row's logarithm of the sum of exponentials.
    fn log_sum(capped: &[(f64, f64)]) -> f64 {
        let largest = capped.iter().fold(f64::NEG_INFINITY, |a, b| a.max(b.0));
        let sum: f64 = capped.iter().map(|logit| (logit.0 - largest).exp()).sum();
        largest + sum.ln()
    }

    fn naive_losses(&self, logits: &[f64]) -> Vec<f64> {
        let rows = logits.chunks(self.shape().vocabulary).zip(&self.targets);
        rows.map(|(row, &target)| {
            let capped = self.capped(row);
            Self::log_sum(&capped) - capped[target as usize].0
        })
        .collect()
    }

    fn naive_gradients(&self) -> Vec<f64> {
        let logits = double(&self.logits);
        let rows = logits.chunks(self.shape().vocabulary).zip(&self.targets);
        rows.flat_map(|(row, &target)| {
            let capped = self.capped(row);
            let log_sum = Self::log_sum(&capped);
            let gradients = capped
                .into_iter()
                .enumerate()
                .map(move |(v, (logit, slope))| {
                    let right = f64::from(u8::from(v == target as usize));
                    f64::from(SCALE) * slope * ((logit - log_sum).exp() - right)
                });
            gradients.collect::<Vec<f64>>()
        })
        .collect()
    }

    fn check(&self, gpu: &Gpu) {
        let [alone, losses, gradients] = self.ours(gpu);
        assert_eq!(bits(&alone), bits(&losses), "losses with gradients");
        let expected = self.naive_losses(&double(&self.logits));
        // A loss is a difference of logits.
        let magnitude = |most: f64, x: &f32| most.max(f64::from(x.abs()));
        let largest = self.logits.iter().fold(1.0, magnitude);
        let largest = self
            .softcap
            .map_or(largest, |cap| largest.min(f64::from(cap)));
        assert_within("losses", &losses, &expected, 1e-6 * (largest + 3.0));
        // An error of a logit is a relative one of its probability.
        let error = 4e-7 * (largest + 3.0) * f64::from(SCALE);
        assert_within("gradients", &gradients, &self.naive_gradients(), error);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    #[ignore = "needs a Vulkan device: make test-vulkan"]
    fn equals_the_formula(
        seed in 0u64..1000,
        rows in 1usize..40,
        words in 1usize..3000,
        softcap in prop::option::of(2.0f32..30.0),
    ) {
        Problem::random(seed, rows, words, 8.0, softcap).check(&Gpu::new());
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn small_and_large_vocabularies_equal_the_formula() {
    let gpu = Gpu::new();
    for (rows, words) in [
        (1, 1),
        (1, 7),
        (3, 2),
        (5, 4),
        (2, 32_768),
        (3, 20_001),
        (66_001, 3),
    ] {
        Problem::random(1, rows, words, 5.0, None).check(&gpu);
        Problem::random(2, rows, words, 5.0, Some(4.0)).check(&gpu);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn gradients_are_those_of_finite_differences() {
    let gpu = Gpu::new();
    for softcap in [None, Some(2.0)] {
        let problem = Problem::random(5, 3, 11, 3.0, softcap);
        let sum = |logits: &[f64]| {
            let losses = problem.naive_losses(logits);
            losses.iter().sum::<f64>() * f64::from(SCALE)
        };
        let expected = differences(&double(&problem.logits), sum);
        assert_close("gradients", &problem.ours(&gpu)[2], &expected, 5e-6);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn large_logits_equal_the_formula() {
    let gpu = Gpu::new();
    for shift in [0.0, 1e4, -1e4] {
        let mut problem = Problem::random(1, 9, 501, 1e3, None);
        for logit in &mut problem.logits {
            *logit += shift;
        }
        problem.check(&gpu);
        problem.softcap = Some(30.0);
        problem.check(&gpu);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn targets_beyond_the_vocabulary_touch_nothing() {
    let gpu = Gpu::new();
    for (words, target) in [(6, -1), (6, 6), (8, 8), (8, i32::MAX)] {
        let mut problem = Problem::random(1, 3, words, 1.0, None);
        let expected = problem.ours(&gpu);
        problem.targets[1] = target;
        let ours = problem.ours(&gpu);
        for row in [0, 2] {
            assert_eq!(ours[1][row].to_bits(), expected[1][row].to_bits());
            let gradients = |results: &[Vec<f32>; 3]| bits(&results[2][row * words..][..words]);
            assert_eq!(gradients(&ours), gradients(&expected));
        }
        let row = &double(&problem.logits)[words..2 * words];
        let log_sum = Problem::log_sum(&problem.capped(row));
        assert_within("loss", &ours[1][1..2], &[log_sum], 1e-6);
        let softmax = row.iter().map(|x| f64::from(SCALE) * (x - log_sum).exp());
        let softmax: Vec<f64> = softmax.collect();
        assert_within("softmax", &ours[2][words..2 * words], &softmax, 1e-6);
    }
}
