use cpu_kernels::linear::{Shape, forward, grad_input, grad_weight};
use proptest::prelude::*;

use crate::tools::*;

/// `a @ b`, `[m, k]` and `[k, n]`.
fn naive(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for l in 0..k {
            for j in 0..n {
                out[i * n + j] += a[i * k + l] * b[l * n + j];
            }
        }
    }
    out
}

fn transposed(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..columns)
        .flat_map(|j| (0..rows).map(move |i| x[i * columns + j]))
        .collect()
}

/// Output, gradients by `x` and by `w`.
fn ours(x: &[f32], w: &[f32], grad_out: &[f32], shape: Shape) -> Vec<Vec<f32>> {
    let (mut out, mut grad_x, mut grad_w) = (dirty(grad_out.len()), dirty(x.len()), dirty(w.len()));
    forward(x, w, shape, &mut out);
    grad_input(grad_out, w, shape, &mut grad_x);
    grad_weight(x, grad_out, shape, &mut grad_w);
    vec![out, grad_x, grad_w]
}

fn check(seed: u64, shape: Shape) {
    let Shape {
        rows: n,
        inputs: i,
        outputs: o,
    } = shape;
    let [x, w, grad_out] = [(1, n * i), (2, i * o), (3, n * o)]
        .map(|(offset, length)| random(seed + offset, length, 1.0));
    let ours = ours(&x, &w, &grad_out, shape);
    let (x, w, grad_out) = (double(&x), double(&w), double(&grad_out));
    assert_close("out", &ours[0], &naive(&x, &w, [n, i, o]), 1e-5);
    assert_close(
        "grad_x",
        &ours[1],
        &naive(&grad_out, &transposed(&w, i, o), [n, o, i]),
        1e-5,
    );
    assert_close(
        "grad_w",
        &ours[2],
        &naive(&transposed(&x, n, i), &grad_out, [i, n, o]),
        1e-5,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn equals_the_formula(
        seed in 0u64..1000, rows in 1usize..200, inputs in 1usize..100, outputs in 1usize..100,
    ) {
        check(seed, Shape { rows, inputs, outputs });
    }
}

#[test]
fn many_blocks_equal_the_formula() {
    check(
        1,
        Shape {
            rows: 1301,
            inputs: 150,
            outputs: 77,
        },
    );
    check(
        2,
        Shape {
            rows: 1,
            inputs: 150,
            outputs: 77,
        },
    );
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let dimensions = [4, 3, 5];
    let shape = Shape {
        rows: 4,
        inputs: 3,
        outputs: 5,
    };
    let (x, w, grad_out) = (random(1, 12, 1.0), random(2, 15, 1.0), random(3, 20, 1.0));
    let ours = ours(&x, &w, &grad_out, shape);
    let (x, w) = (double(&x), double(&w));
    let by_x = differences(&x, |x| weighted_sum(&naive(x, &w, dimensions), &grad_out));
    let by_w = differences(&w, |w| weighted_sum(&naive(&x, w, dimensions), &grad_out));
    assert_close("grad_x", &ours[1], &by_x, 1e-6);
    assert_close("grad_w", &ours[2], &by_w, 1e-6);
}

#[test]
fn bits_do_not_depend_on_threads() {
    let shape = Shape {
        rows: 1301,
        inputs: 150,
        outputs: 77,
    };
    let (x, w) = (random(1, 1301 * 150, 1.0), random(2, 150 * 77, 1.0));
    let grad_out = random(3, 1301 * 77, 1.0);
    assert_same_on_any_threads(|| ours(&x, &w, &grad_out, shape));
}

#[test]
fn no_rows_have_no_gradient() {
    let mut grad_w = dirty(6);
    grad_weight(
        &[],
        &[],
        Shape {
            rows: 0,
            inputs: 2,
            outputs: 3,
        },
        &mut grad_w,
    );
    assert_eq!(grad_w, [0.0; 6]);
}

#[test]
#[should_panic(expected = "[inputs, outputs]")]
fn lengths_must_agree() {
    forward(
        &[0.0; 4],
        &[0.0; 5],
        Shape {
            rows: 2,
            inputs: 2,
            outputs: 3,
        },
        &mut [0.0; 6],
    );
}
