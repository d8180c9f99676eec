use cpu_kernels::rms_norm::{backward, forward};
use proptest::prelude::*;

use crate::tools::*;

const EPS: f32 = 1e-6;

/// The norm of every row.
fn naive(x: &[f64], gain: Option<&[f64]>, offset: f64, width: usize) -> Vec<f64> {
    x.chunks_exact(width)
        .flat_map(|row| {
            let mean = row.iter().map(|x| x * x).sum::<f64>() / width as f64;
            let root = (mean + f64::from(EPS)).sqrt();
            row.iter()
                .enumerate()
                .map(move |(i, x)| x / root * gain.map_or(1.0, |gain| gain[i] + offset))
        })
        .collect()
}

/// Gradients by `x` and by the gain of the sum of `grad_out` times the norm.
fn naive_gradients(
    x: &[f64],
    gain: Option<&[f64]>,
    offset: f64,
    grad_out: &[f32],
    width: usize,
) -> (Vec<f64>, Vec<f64>) {
    let mut grad_x = Vec::new();
    let mut grad_gain = vec![0.0; width];
    for (row, grad_out) in x.chunks_exact(width).zip(grad_out.chunks_exact(width)) {
        let mean = row.iter().map(|x| x * x).sum::<f64>() / width as f64 + f64::from(EPS);
        let root = mean.sqrt();
        let g: Vec<f64> = (0..width)
            .map(|i| f64::from(grad_out[i]) * gain.map_or(1.0, |gain| gain[i] + offset))
            .collect();
        let along: f64 = g.iter().zip(row).map(|(g, x)| g * x).sum();
        for i in 0..width {
            grad_x.push(g[i] / root - row[i] * along / (width as f64 * mean * root));
            grad_gain[i] += f64::from(grad_out[i]) * row[i] / root;
        }
    }
    (grad_x, grad_gain)
}

/// Output, gradients by `x` and by the gain.
fn ours(
    x: &[f32],
    gain: Option<&[f32]>,
    offset: f32,
    grad_out: &[f32],
    width: usize,
) -> Vec<Vec<f32>> {
    let mut inverse = dirty(x.len() / width);
    let (mut out, mut grad_x, mut grad_gain) = (dirty(x.len()), dirty(x.len()), dirty(width));
    forward(x, gain, offset, EPS, &mut out, &mut inverse);
    backward(
        x,
        gain,
        offset,
        &inverse,
        grad_out,
        &mut grad_x,
        Some(&mut grad_gain),
    );
    vec![out, grad_x, grad_gain]
}

fn check(seed: u64, rows: usize, width: usize, with_gain: bool, offset: f32, magnitude: f32) {
    let x = random(seed, rows * width, magnitude);
    let gain = with_gain.then(|| random(seed + 1, width, 1.0));
    let grad_out = random(seed + 2, rows * width, 1.0);
    let ours = ours(&x, gain.as_deref(), offset, &grad_out, width);
    let (x, gain, offset) = (double(&x), gain.as_deref().map(double), f64::from(offset));
    let (grad_x, grad_gain) = naive_gradients(&x, gain.as_deref(), offset, &grad_out, width);
    assert_close(
        "out",
        &ours[0],
        &naive(&x, gain.as_deref(), offset, width),
        2e-6,
    );
    // The two terms of a gradient may cancel: what counts is how large they are.
    let largest = largest_term(&x, gain.as_deref(), offset, &grad_out, width);
    assert_within("grad_x", &ours[1], &grad_x, 1e-6 * largest);
    // So may the rows of a gain's gradient.
    let rows = (grad_out.len() / width) as f64;
    let largest = largest_term(&x, None, offset, &grad_out, width) * largest_of(&x) * rows;
    assert_within("grad_gain", &ours[2], &grad_gain, 5e-7 * largest);
}

fn largest_of(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// Largest magnitude of `grad_out * gain / rms`.
fn largest_term(
    x: &[f64],
    gain: Option<&[f64]>,
    offset: f64,
    grad_out: &[f32],
    width: usize,
) -> f64 {
    let rows = x.chunks_exact(width).zip(grad_out.chunks_exact(width));
    let terms = rows.flat_map(|(row, grad_out)| {
        let mean = row.iter().map(|x| x * x).sum::<f64>() / width as f64;
        let root = (mean + f64::from(EPS)).sqrt();
        grad_out.iter().enumerate().map(move |(i, &grad_out)| {
            f64::from(grad_out) * gain.map_or(1.0, |gain| gain[i] + offset) / root
        })
    });
    terms.fold(0.0, |most, term| most.max(term.abs()))
}

proptest! {
    #[test]
    fn equals_the_formula(
        seed in 0u64..1000, rows in 1usize..40, width in 1usize..300, with_gain: bool, gemma: bool,
    ) {
        check(seed, rows, width, with_gain, f32::from(u8::from(gemma)), 3.0);
    }
}

#[test]
fn many_blocks_equal_the_formula() {
    check(1, 777, 131, true, 1.0, 1.0);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let (rows, width) = (3, 7);
    let x = double(&random(1, rows * width, 1.0));
    let gain = double(&random(2, width, 1.0));
    let grad_out = random(3, rows * width, 1.0);
    let by_x = differences(&x, |x| {
        weighted_sum(&naive(x, Some(&gain), 1.0, width), &grad_out)
    });
    let by_gain = differences(&gain, |gain| {
        weighted_sum(&naive(&x, Some(gain), 1.0, width), &grad_out)
    });
    let single: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let single_gain: Vec<f32> = gain.iter().map(|&x| x as f32).collect();
    let ours = ours(&single, Some(&single_gain), 1.0, &grad_out, width);
    assert_close("grad_x", &ours[1], &by_x, 1e-5);
    assert_close("grad_gain", &ours[2], &by_gain, 1e-5);
}

#[test]
fn extreme_rows_equal_the_formula() {
    // Far below eps and far above; rows of zeros give zeros.
    for magnitude in [1e-18, 1e-6, 1e4, 1e15] {
        check(1, 5, 33, true, 1.0, magnitude);
    }
    let zeros = ours(&[0.0; 66], None, 0.0, &random(1, 66, 1.0), 33);
    assert!(zeros[0].iter().chain(&zeros[2]).all(|&x| x == 0.0));
    assert!(zeros[1].iter().all(|x| x.is_finite()));
}

#[test]
fn bits_do_not_depend_on_threads() {
    let (rows, width) = (1003, 100);
    let x = random(1, rows * width, 1.0);
    let gain = random(2, width, 1.0);
    let grad_out = random(3, rows * width, 1.0);
    assert_same_on_any_threads(|| ours(&x, Some(&gain), 1.0, &grad_out, width));
}

#[test]
fn no_rows_have_no_gradient() {
    let mut grad_gain = dirty(4);
    backward(
        &[],
        Some(&[1.0; 4]),
        0.0,
        &[],
        &[],
        &mut [],
        Some(&mut grad_gain),
    );
    assert_eq!(grad_gain, [0.0; 4]);
}

#[test]
#[should_panic(expected = "x and out")]
fn lengths_must_agree() {
    forward(&[0.0; 8], None, 0.0, EPS, &mut [0.0; 4], &mut [0.0; 2]);
}
