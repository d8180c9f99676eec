use gpu_kernels::embedding::{Shape, forward, grad_weight};
use proptest::prelude::*;

use crate::tools::*;

const SCALE: f32 = 3.7;

fn shape(tokens: usize, vocabulary: usize, width: usize) -> Shape {
    Shape {
        vocabulary,
        width,
        tokens,
        ids: integers(),
    }
}

fn gradient(gpu: &Gpu, ids: &[i32], grad_out: &[f32], words: usize) -> Vec<f32> {
    let shape = shape(ids.len(), words, grad_out.len() / ids.len());
    let (ids, grad_out) = (gpu.ids(ids), gpu.single(grad_out));
    let gradient = grad_weight(&gpu.client, &ids, &grad_out, SCALE, shape);
    gpu.down(&gradient, SINGLE)
}

fn check(gpu: &Gpu, seed: u64, tokens: usize, words: usize, width: usize) {
    check_ids(
        gpu,
        seed,
        &random_ids(seed + 1, tokens, words),
        words,
        width,
    );
}

fn check_ids(gpu: &Gpu, seed: u64, ids: &[i32], words: usize, width: usize) {
    let tokens = ids.len();
    let weight = random(seed, words * width, 1.0);
    let grad_out = random(seed + 2, tokens * width, 1.0);
    let (weights, indices) = (gpu.single(&weight), gpu.ids(ids));
    let out = forward(
        &gpu.client,
        &weights,
        &indices,
        SCALE,
        shape(tokens, words, width),
    );
    let out = gpu.down(&out, SINGLE);
    assert_eq!(out.len(), tokens * width);
    let ours = gradient(gpu, ids, &grad_out, words);

    let mut expected = vec![0.0; words * width];
    let mut sizes = vec![0.0; words * width];
    for (n, &id) in ids.iter().enumerate() {
        for c in 0..width {
            let place = id as usize * width + c;
            let looked_up = SCALE * weight[place];
            assert_eq!(
                out[n * width + c].to_bits(),
                looked_up.to_bits(),
                "token {n}"
            );
            let term = f64::from(SCALE) * f64::from(grad_out[n * width + c]);
            expected[place] += term;
            sizes[place] += term.abs();
        }
    }
    assert_eq!(ours.len(), expected.len());
    for (i, (&ours, expected)) in ours.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(ours) - expected).abs() <= 1e-5 * sizes[i],
            "grad_weight[{i}]: {ours:e} instead of {expected:e}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    #[ignore = "needs a Vulkan device: make test-vulkan"]
    fn equals_the_formula(
        seed in 0u64..1000, tokens in 1usize..3000, words in 1usize..300, width in 1usize..70,
    ) {
        check(&Gpu::new(), seed, tokens, words, width);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn small_and_wide_tables_equal_the_formula() {
    let gpu = Gpu::new();
    for (tokens, words, width) in [
        (1, 7, 1),
        (1, 1, 5),
        (5, 17, 1030),
        (70, 7, 1300),
        (4100, 3, 3),
        (9, 1_050_001, 1),
    ] {
        check(&gpu, 5, tokens, words, width);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn a_tile_of_one_word_equals_the_formula() {
    // The list of a tile is full.
    check_ids(&Gpu::new(), 1, &[2; 2500], 40, 9);
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn no_tokens_have_no_gradient() {
    let gpu = Gpu::new();
    let nothing = gpu.client.empty(0);
    let ours = grad_weight(&gpu.client, &nothing, &nothing, SCALE, shape(0, 3, 4));
    assert_eq!(gpu.down(&ours, SINGLE), [0.0; 12]);
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn ids_beyond_the_table_count_for_nothing() {
    let gpu = Gpu::new();
    let ids = [1, -1, 5, 4, i32::MAX, i32::MIN, 1];
    let shape = shape(7, 5, 3);
    // A row more than the table has: what must not be read is there.
    let weight = gpu.single(&random(1, 18, 1.0));
    let out = forward(&gpu.client, &weight, &gpu.ids(&ids), SCALE, shape);
    let out = gpu.down(&out, SINGLE);
    let rows: Vec<bool> = out.chunks(3).map(|row| row == [0.0; 3]).collect();
    assert_eq!(rows, [false, true, true, false, true, true, false]);
    let gradient = gradient(&gpu, &ids, &[1.0; 21], 5);
    let sums: Vec<f32> = gradient.chunks(3).map(|row| row[0]).collect();
    assert_eq!(sums, [0.0, 2.0 * SCALE, 0.0, 0.0, SCALE]);
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn the_same_input_gives_the_same_bits() {
    let gpu = Gpu::new();
    let ids = random_ids(1, 5000, 61);
    let grad_out = random(2, 5000 * 36, 1.0);
    let [one, other] = [(); 2].map(|()| gradient(&gpu, &ids, &grad_out, 61));
    assert_eq!(bits(&one), bits(&other));
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn gradients_are_added_in_the_order_of_positions() {
    let gpu = Gpu::new();
    // Large terms that cancel: another order rounds the small ones away.
    let (tokens, width) = (3000, 5);
    let ids = random_ids(1, tokens, 3);
    let grad_out: Vec<f32> = random(2, tokens * width, 1.0)
        .into_iter()
        .map(|x| x * x * x * 1e4)
        .collect();
    let mut expected = vec![0.0f32; 3 * width];
    for (n, &id) in ids.iter().enumerate() {
        for c in 0..width {
            expected[id as usize * width + c] += grad_out[n * width + c];
        }
    }
    let shape = shape(tokens, 3, width);
    // A scale of 1: whether products are rounded before the sum makes no difference.
    let ours = grad_weight(
        &gpu.client,
        &gpu.ids(&ids),
        &gpu.single(&grad_out),
        1.0,
        shape,
    );
    assert_eq!(bits(&gpu.down(&ours, SINGLE)), bits(&expected));
}
