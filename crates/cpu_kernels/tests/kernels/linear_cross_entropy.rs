use cpu_kernels::linear_cross_entropy::{losses, losses_and_gradients};
use proptest::prelude::*;

use crate::tools::*;

/// A problem in both precisions.
#[derive(Clone)]
struct Problem {
    hidden: Vec<f32>,
    weight: Vec<f32>,
    targets: Vec<i32>,
    softcap: Option<f32>,
    width: usize,
}

const SCALE: f32 = 0.37;

impl Problem {
    fn random(seed: u64, tokens: usize, words: usize, width: usize, softcap: Option<f32>) -> Self {
        // Logits of a few units, whatever the width.
        let magnitude = 3.0 / (width as f32).sqrt();
        Self {
            hidden: random(seed, tokens * width, 3.0),
            weight: random(seed + 1, words * width, magnitude),
            targets: random_ids(seed + 2, tokens, words),
            softcap,
            width,
        }
    }

    /// Losses, gradients by hidden states and by weights.
    fn ours(&self) -> Vec<Vec<f32>> {
        let mut losses = dirty(self.targets.len());
        let (mut grad_hidden, mut grad_weight) =
            (dirty(self.hidden.len()), dirty(self.weight.len()));
        losses_and_gradients(
            &self.hidden,
            &self.weight,
            &self.targets,
            self.softcap,
            SCALE,
            &mut losses,
            &mut grad_hidden,
            &mut grad_weight,
        );
        vec![losses, grad_hidden, grad_weight]
    }

    fn our_losses(&self) -> Vec<f32> {
        let mut out = dirty(self.targets.len());
        losses(
            &self.hidden,
            &self.weight,
            &self.targets,
            self.softcap,
            &mut out,
        );
        out
    }

    /// Logits of one token after the soft-cap, and its slopes.
    fn logits(&self, hidden: &[f64], weight: &[f64]) -> Vec<(f64, f64)> {
        let logit = |row: &[f64]| row.iter().zip(hidden).map(|(w, h)| w * h).sum::<f64>();
        let capped = |logit: f64| match self.softcap.map(f64::from) {
            Some(cap) => (
                cap * (logit / cap).tanh(),
                1.0 - (logit / cap).tanh().powi(2),
            ),
            None => (logit, 1.0),
        };
        weight
            .chunks_exact(self.width)
            .map(|row| capped(logit(row)))
            .collect()
    }

    fn naive_losses(&self, hidden: &[f64], weight: &[f64]) -> Vec<f64> {
        let tokens = hidden.chunks_exact(self.width).zip(&self.targets);
        tokens
            .map(|(hidden, &target)| {
                let logits = self.logits(hidden, weight);
                let max = logits
                    .iter()
                    .fold(f64::NEG_INFINITY, |max, logit| max.max(logit.0));
                let sum: f64 = logits.iter().map(|logit| (logit.0 - max).exp()).sum();
                max - logits[target as usize].0 + sum.ln()
            })
            .collect()
    }

    fn naive_gradients(&self, hidden: &[f64], weight: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (width, scale) = (self.width, f64::from(SCALE));
        let (mut grad_hidden, mut grad_weight) = (vec![0.0; hidden.len()], vec![0.0; weight.len()]);
        for (n, &target) in self.targets.iter().enumerate() {
            let hidden = &hidden[n * width..][..width];
            let logits = self.logits(hidden, weight);
            let max = logits
                .iter()
                .fold(f64::NEG_INFINITY, |max, logit| max.max(logit.0));
            let sum: f64 = logits.iter().map(|logit| (logit.0 - max).exp()).sum();
            for (v, (logit, slope)) in logits.into_iter().enumerate() {
                let wrong = (logit - max).exp() / sum - f64::from(u8::from(v == target as usize));
                for c in 0..width {
                    grad_hidden[n * width + c] += scale * wrong * slope * weight[v * width + c];
                    grad_weight[v * width + c] += scale * wrong * slope * hidden[c];
                }
            }
        }
        (grad_hidden, grad_weight)
    }

    fn check(&self) {
        let ours = self.ours();
        let (hidden, weight) = (double(&self.hidden), double(&self.weight));
        let losses = self.naive_losses(&hidden, &weight);
        let (grad_hidden, grad_weight) = self.naive_gradients(&hidden, &weight);
        assert_close("losses", &ours[0], &losses, 3e-6);
        assert_close("losses alone", &self.our_losses(), &losses, 3e-6);
        assert_close("grad_hidden", &ours[1], &grad_hidden, 3e-5);
        assert_close("grad_weight", &ours[2], &grad_weight, 3e-5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn equals_the_formula(
        seed in 0u64..1000,
        tokens in 1usize..140,
        words in 1usize..300,
        width in 1usize..40,
        softcap in prop::option::of(2.0f32..30.0),
    ) {
        Problem::random(seed, tokens, words, width, softcap).check();
    }
}

#[test]
fn vocabularies_of_several_pieces_equal_the_formula() {
    Problem::random(1, 70, 2300, 19, None).check();
    Problem::random(2, 70, 2300, 19, Some(5.0)).check();
}

#[test]
fn several_chunks_of_tokens_equal_the_formula() {
    // More tokens than are kept at once.
    Problem::random(1, 2100, 150, 9, None).check();
    Problem::random(1, 130, 66_000, 3, Some(10.0)).check();
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for softcap in [None, Some(2.0)] {
        let problem = Problem::random(5, 4, 11, 3, softcap);
        let (hidden, weight) = (double(&problem.hidden), double(&problem.weight));
        let sum = |losses: Vec<f64>| losses.iter().sum::<f64>() * f64::from(SCALE);
        let ours = problem.ours();
        let by_hidden = differences(&hidden, |hidden| sum(problem.naive_losses(hidden, &weight)));
        let by_weight = differences(&weight, |weight| sum(problem.naive_losses(&hidden, weight)));
        assert_close("grad_hidden", &ours[1], &by_hidden, 1e-5);
        assert_close("grad_weight", &ours[2], &by_weight, 1e-5);
    }
}

#[test]
fn large_logits_equal_the_formula() {
    for logit in [1e4, -1e4] {
        let mut problem = Problem::random(1, 20, 1500, 4, None);
        for hidden in problem.hidden.chunks_exact_mut(4) {
            hidden.copy_from_slice(&[1.0, 0.5, 0.0, 0.25]);
        }
        for (v, row) in problem.weight.chunks_exact_mut(4).enumerate() {
            // Of either sign, far apart in most words, the largest in the second piece.
            row.copy_from_slice(&[logit * (v % 7) as f32 / 7.0, 0.0, 1.0, (v / 1400) as f32]);
        }
        problem.check();
        problem.softcap = Some(30.0);
        problem.check();
    }
}

#[test]
fn equal_logits_lose_the_logarithm_of_the_vocabulary() {
    let mut problem = Problem::random(1, 5, 777, 8, None);
    problem.hidden.fill(0.0);
    for loss in problem.our_losses() {
        assert!((loss - 777f32.ln()).abs() < 1e-6);
    }
    problem.check();
}

#[test]
fn bits_do_not_depend_on_threads() {
    let problem = Problem::random(1, 1500, 1700, 24, Some(8.0));
    assert_same_on_any_threads(|| {
        let mut outputs = problem.ours();
        outputs.push(problem.our_losses());
        outputs
    });
}

#[test]
fn losses_are_the_same_bits_with_and_without_gradients() {
    let problem = Problem::random(1, 300, 1700, 24, None);
    assert_eq!(problem.ours()[0], problem.our_losses());
}

#[test]
fn no_tokens_have_no_gradient() {
    let mut problem = Problem::random(1, 1, 5, 2, None);
    problem.hidden.clear();
    problem.targets.clear();
    assert_eq!(problem.ours()[2], [0.0; 10]);
}

#[test]
#[should_panic(expected = "target 9 is not in a vocabulary of 9")]
fn targets_must_be_in_the_vocabulary() {
    let mut problem = Problem::random(1, 3, 9, 2, None);
    problem.targets[1] = 9;
    problem.ours();
}

#[test]
#[should_panic(expected = "target -1 is not in a vocabulary of 9")]
fn targets_must_not_be_negative() {
    let mut problem = Problem::random(1, 3, 9, 2, None);
    problem.targets[2] = -1;
    problem.our_losses();
}
