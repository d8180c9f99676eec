use cpu_kernels::adamw::{Constants, step, sum_of_squares};
use proptest::prelude::*;

use crate::tools::*;

const CONSTANTS: Constants = Constants {
    learning_rate: 3e-3,
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    weight_decay: 0.1,
    gradient_scale: 0.7,
    step: 1,
};

/// A parameter and its moments.
#[derive(Clone)]
struct State<T> {
    param: Vec<T>,
    first: Vec<T>,
    second: Vec<T>,
}

impl State<f64> {
    fn step(&mut self, grad: &[f32], c: &Constants) {
        let (beta1, beta2) = (f64::from(c.beta1), f64::from(c.beta2));
        for (i, &grad) in grad.iter().enumerate() {
            let g = f64::from(grad) * f64::from(c.gradient_scale);
            self.first[i] = beta1 * self.first[i] + (1.0 - beta1) * g;
            self.second[i] = beta2 * self.second[i] + (1.0 - beta2) * g * g;
            let first = self.first[i] / (1.0 - beta1.powi(c.step as i32));
            let second = self.second[i] / (1.0 - beta2.powi(c.step as i32));
            self.param[i] *= 1.0 - c.learning_rate * f64::from(c.weight_decay);
            self.param[i] -= c.learning_rate * first / (second.sqrt() + f64::from(c.epsilon));
        }
    }
}

impl State<f32> {
    fn new(seed: u64, length: usize) -> Self {
        Self {
            param: random(seed, length, 1.0),
            first: vec![0.0; length],
            second: vec![0.0; length],
        }
    }

    fn step(&mut self, grad: &[f32], constants: &Constants) {
        step(
            &mut self.param,
            grad,
            &mut self.first,
            &mut self.second,
            constants,
        );
    }

    fn double(&self) -> State<f64> {
        State {
            param: double(&self.param),
            first: double(&self.first),
            second: double(&self.second),
        }
    }
}

fn check(seed: u64, length: usize, constants: &Constants) {
    let mut ours = State::new(seed, length);
    let mut naive = ours.double();
    for step in 1..6 {
        let grad = random(seed + u64::from(step), length, 1.0);
        let constants = Constants { step, ..*constants };
        ours.step(&grad, &constants);
        naive.step(&grad, &constants);
    }
    assert_within("param", &ours.param, &naive.param, 2e-6);
    // Of gradients up to `scale`; a sum of them may cancel.
    let scale = f64::from(constants.gradient_scale);
    assert_within("first", &ours.first, &naive.first, 3e-7 * scale);
    assert_within("second", &ours.second, &naive.second, 3e-7 * scale * scale);
}

proptest! {
    #[test]
    fn equals_the_formula(
        seed in 0u64..1000,
        length in 1usize..200,
        learning_rate in 1e-5f64..0.1,
        beta1 in 0.0f32..0.95,
        beta2 in 0.0f32..0.99,
        epsilon in 1e-8f32..1e-2,
        weight_decay in 0.0f32..0.5,
        gradient_scale in 0.01f32..1.0,
    ) {
        // Not beta2 up to 0.999: single-precision corrections of the first steps are 1e-5 off there.
        let constants = Constants {
            learning_rate, beta1, beta2, epsilon, weight_decay, gradient_scale, step: 1,
        };
        check(seed, length, &constants);
    }

    #[test]
    fn sum_of_squares_is_exact_to_double_precision(seed in 0u64..1000, length in 0usize..60_000) {
        let x = random(seed, length, 10.0);
        let exact: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        prop_assert!((sum_of_squares(&x) - exact).abs() <= 1e-12 * exact);
    }
}

#[test]
fn many_blocks_equal_the_formula() {
    check(1, 100_003, &CONSTANTS);
}

#[test]
fn equals_the_single_precision_formula_at_the_first_step() {
    // The reference implementation's order of operations, with divisions where ours has products.
    let constants = Constants {
        beta2: 0.999,
        gradient_scale: 1.0,
        ..CONSTANTS
    };
    let mut ours = State::new(1, 1000);
    let before = ours.param.clone();
    let grad = random(2, 1000, 1.0);
    ours.step(&grad, &constants);
    for ((ours, before), grad) in ours.param.iter().zip(before).zip(grad) {
        let first = grad * (1.0 - 0.9f32) / (1.0 - 0.9f32.powi(1));
        let second = grad * grad * (1.0 - 0.999f32) / (1.0 - 0.999f32.powi(1));
        let delta = first / (second.sqrt() + constants.epsilon);
        let decayed =
            before * (1.0 - constants.learning_rate * f64::from(constants.weight_decay)) as f32;
        let expected = decayed - delta * constants.learning_rate as f32;
        assert!(
            (ours - expected).abs() <= 2e-7,
            "{ours} instead of {expected}"
        );
    }
}

#[test]
fn zero_gradients_only_decay() {
    let mut state = State::new(1, 33);
    let before = state.param.clone();
    state.step(&[0.0; 33], &CONSTANTS);
    for (after, before) in state.param.iter().zip(before) {
        assert!((after - before * (1.0 - 3e-4)).abs() <= 1e-7);
    }
    assert_eq!(state.first, [0.0; 33]);
}

#[test]
fn tiny_and_huge_gradients_stay_finite() {
    for magnitude in [1e-30, 1e15] {
        let mut state = State::new(1, 100);
        state.step(&random(2, 100, magnitude), &CONSTANTS);
        assert!(state.param.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let grad = random(2, 100_003, 1.0);
    assert_same_on_any_threads(|| {
        let mut state = State::new(1, grad.len());
        state.step(&grad, &CONSTANTS);
        let bits = sum_of_squares(&grad).to_bits();
        let halves = vec![
            f32::from_bits((bits >> 32) as u32),
            f32::from_bits(bits as u32),
        ];
        vec![state.param, state.first, state.second, halves]
    });
}

#[test]
#[should_panic(expected = "counted from 1")]
fn steps_begin_at_1() {
    State::new(1, 1).step(
        &[0.0],
        &Constants {
            step: 0,
            ..CONSTANTS
        },
    );
}

#[test]
#[should_panic(expected = "param and grad")]
fn lengths_must_agree() {
    State::new(1, 2).step(&[0.0], &CONSTANTS);
}
