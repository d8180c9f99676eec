use cpu_kernels::embedding::{forward, grad_weight};
use proptest::prelude::*;

use crate::tools::*;

fn check(seed: u64, tokens: usize, words: usize, width: usize) {
    let weight = random(seed, words * width, 1.0);
    let ids = random_ids(seed + 1, tokens, words);
    let grad_out = random(seed + 2, tokens * width, 1.0);
    let before = random(seed + 3, words * width, 1.0);
    let scale = 3.7f32;

    let mut out = dirty(tokens * width);
    forward(&weight, &ids, scale, &mut out);
    let mut gradient = before.clone();
    grad_weight(&ids, &grad_out, scale, &mut gradient);

    let mut expected = double(&before);
    for (n, &id) in ids.iter().enumerate() {
        for c in 0..width {
            let place = id as usize * width + c;
            assert_eq!(out[n * width + c], scale * weight[place]);
            expected[place] += f64::from(scale) * f64::from(grad_out[n * width + c]);
        }
    }
    assert_close("grad_weight", &gradient, &expected, 1e-5);
}

proptest! {
    #[test]
    fn equals_the_formula(
        seed in 0u64..1000, tokens in 1usize..200, words in 1usize..300, width in 1usize..70,
    ) {
        check(seed, tokens, words, width);
    }
}

#[test]
fn many_blocks_equal_the_formula() {
    check(1, 3001, 1003, 130);
}

#[test]
fn gradient_is_that_of_finite_differences() {
    let (ids, width, scale) = ([2, 0, 2, 3], 3, 0.5);
    let grad_out = random(1, 12, 1.0);
    let value = |weight: &[f64]| {
        let rows = ids
            .iter()
            .flat_map(|&id| &weight[id as usize * width..][..width]);
        weighted_sum(
            &rows.map(|x| x * f64::from(scale)).collect::<Vec<_>>(),
            &grad_out,
        )
    };
    let mut gradient = vec![0.0; 12];
    grad_weight(&ids, &grad_out, scale, &mut gradient);
    assert_close(
        "grad_weight",
        &gradient,
        &differences(&[0.3; 12], value),
        1e-6,
    );
}

#[test]
fn bits_do_not_depend_on_threads() {
    let (tokens, words, width) = (3001, 1003, 130);
    let weight = random(1, words * width, 1.0);
    let ids = random_ids(2, tokens, words);
    let grad_out = random(3, tokens * width, 1.0);
    assert_same_on_any_threads(|| {
        let (mut out, mut gradient) = (dirty(tokens * width), vec![0.0; words * width]);
        forward(&weight, &ids, 2.0, &mut out);
        grad_weight(&ids, &grad_out, 2.0, &mut gradient);
        vec![out, gradient]
    });
}

#[test]
fn no_tokens_change_nothing() {
    let mut gradient = vec![1.0; 4];
    grad_weight(&[], &[], 1.0, &mut gradient);
    forward(&[1.0; 4], &[], 1.0, &mut []);
    assert_eq!(gradient, [1.0; 4]);
}

#[test]
#[should_panic(expected = "id 5 is not in a vocabulary of 5")]
fn ids_must_be_in_the_vocabulary() {
    forward(&[0.0; 10], &[4, 5], 1.0, &mut [0.0; 4]);
}

#[test]
#[should_panic(expected = "id -1 is not in a vocabulary of 5")]
fn ids_must_not_be_negative() {
    grad_weight(&[-1], &[0.0; 2], 1.0, &mut [0.0; 10]);
}
