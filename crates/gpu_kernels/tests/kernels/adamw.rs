use cpu_kernels::adamw as cpu;
use gpu_kernels::Handle;
use gpu_kernels::adamw::{Constants, step, sum_of_squares};
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

fn on_cpu(constants: &Constants) -> cpu::Constants {
    let &Constants {
        learning_rate,
        beta1,
        beta2,
        epsilon,
        weight_decay,
        gradient_scale,
        step,
    } = constants;
    cpu::Constants {
        learning_rate,
        beta1,
        beta2,
        epsilon,
        weight_decay,
        gradient_scale,
        step,
    }
}

fn check(gpu: &Gpu, seed: u64, length: usize, constants: &Constants) {
    let mut param = random(seed, length, 1.0);
    let (mut first, mut second) = (vec![0.0; length], vec![0.0; length]);
    let ours: [Handle; 3] = [&param, &first, &second].map(|values| gpu.single(values));
    for number in 1..6 {
        let grad = random(seed + u64::from(number), length, 1.0);
        let constants = Constants {
            step: number,
            ..*constants
        };
        let (param, first, second) = (&mut param, &mut first, &mut second);
        cpu::step(param, &grad, first, second, &on_cpu(&constants));
        let grad = gpu.single(&grad);
        let [param, first, second] = &ours;
        step(&gpu.client, param, &grad, first, second, length, &constants);
    }
    let [ours_param, ours_first, ours_second] = ours.map(|buffer| gpu.down(&buffer, SINGLE));
    // An update is about a learning rate long, and so is what rounding makes of one near 0.
    let error = 1e-6 + 1e-5 * constants.learning_rate;
    assert_within("param", &ours_param, &double(&param), error);
    let scale = f64::from(constants.gradient_scale);
    assert_within("first", &ours_first, &double(&first), 3e-7 * scale);
    assert_within(
        "second",
        &ours_second,
        &double(&second),
        3e-7 * scale * scale,
    );
}

fn sum(gpu: &Gpu, x: &[f32]) -> f32 {
    let sum = sum_of_squares(&gpu.client, &gpu.single(x), x.len());
    let sum = gpu.down(&sum, SINGLE);
    assert_eq!(sum.len(), 1);
    sum[0]
}

fn check_sum(gpu: &Gpu, seed: u64, length: usize) {
    let x = random(seed, length, 10.0);
    let expected: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let ours = f64::from(sum(gpu, &x));
    assert!(
        (ours - expected).abs() <= 2e-6 * expected,
        "{ours} instead of {expected}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    #[ignore = "needs a Vulkan device: make test-vulkan"]
    fn equals_the_cpu(
        seed in 0u64..1000,
        length in 1usize..2000,
        learning_rate in 1e-5f64..0.1,
        beta1 in 0.0f32..0.95,
        beta2 in 0.0f32..0.999,
        epsilon in 1e-8f32..1e-2,
        weight_decay in 0.0f32..0.5,
        gradient_scale in 0.01f32..1.0,
    ) {
        let constants = Constants {
            learning_rate, beta1, beta2, epsilon, weight_decay, gradient_scale, step: 1,
        };
        check(&Gpu::new(), seed, length, &constants);
    }

    #[test]
    #[ignore = "needs a Vulkan device: make test-vulkan"]
    fn sums_of_squares_equal_the_formula(seed in 0u64..1000, length in 1usize..100_000) {
        check_sum(&Gpu::new(), seed, length);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn many_cubes_equal_the_cpu() {
    check(&Gpu::new(), 1, 1_000_003, &CONSTANTS);
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn sums_of_one_and_of_many_blocks_equal_the_formula() {
    let gpu = Gpu::new();
    for length in [1, 2, 4, 16_384, 16_385, 6_000_001, 8_000_000] {
        check_sum(&gpu, 1, length);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn elements_beyond_the_length_count_for_nothing() {
    let gpu = Gpu::new();
    let x = gpu.single(&vec![2.0; 20_000]);
    for length in [0, 1, 7, 100, 16_383, 19_998] {
        let sum = sum_of_squares(&gpu.client, &x, length);
        assert_eq!(gpu.down(&sum, SINGLE), [4.0 * length as f32]);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn the_same_input_gives_the_same_bits() {
    let gpu = Gpu::new();
    let x = random(1, 3_000_001, 1.0);
    assert_eq!(sum(&gpu, &x).to_bits(), sum(&gpu, &x).to_bits());
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn tiny_and_large_gradients_stay_finite() {
    let gpu = Gpu::new();
    for magnitude in [1e-30, 1e15] {
        let [param, first, second] = [(); 3].map(|()| gpu.single(&[0.0; 101]));
        let grad = gpu.single(&random(2, 101, magnitude));
        step(&gpu.client, &param, &grad, &first, &second, 101, &CONSTANTS);
        assert!(gpu.down(&param, SINGLE).iter().all(|x| x.is_finite()));
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
#[should_panic(expected = "counted from 1")]
fn steps_begin_at_1() {
    let gpu = Gpu::new();
    let x = gpu.single(&[0.0]);
    let constants = Constants {
        step: 0,
        ..CONSTANTS
    };
    step(&gpu.client, &x, &x, &x, &x, 1, &constants);
}
