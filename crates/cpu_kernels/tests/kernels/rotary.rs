use cpu_kernels::rotary::{Shape, rotate, rotate_back, rotate_in_place};
use proptest::prelude::*;

use crate::tools::*;

/// Cosines and sines of 1.5 times as many positions as needed.
fn tables(shape: Shape) -> (Vec<f32>, Vec<f32>) {
    let half = shape.head_dim / 2;
    let angles = (0..shape.length * 3 / 2 * half + half).map(|i| {
        let (position, pair) = (i / half, i % half);
        position as f64 * 100f64.powf(-(pair as f64) / half as f64)
    });
    angles
        .map(|angle| (angle.cos() as f32, angle.sin() as f32))
        .unzip()
}

/// Element by element, by indices of all four dimensions.
fn naive(x: &[f64], cos: &[f32], sin: &[f32], shape: Shape) -> Vec<f64> {
    let Shape {
        batch,
        length,
        heads,
        head_dim,
    } = shape;
    let half = head_dim / 2;
    let mut out = vec![0.0; x.len()];
    for b in 0..batch {
        for t in 0..length {
            for h in 0..heads {
                let head = ((b * length + t) * heads + h) * head_dim;
                for i in 0..half {
                    let (c, s) = (f64::from(cos[t * half + i]), f64::from(sin[t * half + i]));
                    let (first, second) = (x[head + i], x[head + half + i]);
                    out[head + i] = first * c - second * s;
                    out[head + half + i] = second * c + first * s;
                }
            }
        }
    }
    out
}

fn elements(shape: Shape) -> usize {
    shape.batch * shape.length * shape.heads * shape.head_dim
}

fn shapes() -> impl Strategy<Value = Shape> {
    (1usize..4, 1usize..50, 1usize..6, 1usize..40).prop_map(|(batch, length, heads, half)| Shape {
        batch,
        length,
        heads,
        head_dim: 2 * half,
    })
}

proptest! {
    #[test]
    fn equals_the_formula(seed in 0u64..1000, shape in shapes()) {
        let x = random(seed, elements(shape), 2.0);
        let (cos, sin) = tables(shape);
        let mut out = dirty(x.len());
        rotate(&x, &cos, &sin, shape, &mut out);
        assert_close("out", &out, &naive(&double(&x), &cos, &sin, shape), 2e-7);
        let mut in_place = x;
        rotate_in_place(&mut in_place, &cos, &sin, shape);
        prop_assert_eq!(in_place, out);
    }

    #[test]
    fn gradient_is_the_transpose(seed in 0u64..1000, shape in shapes()) {
        // <rotate(x), g> = <x, rotate_back(g)>
        let (x, gradient) = (random(seed, elements(shape), 2.0), random(seed + 1, elements(shape), 2.0));
        let (cos, sin) = tables(shape);
        let (mut out, mut back) = (dirty(x.len()), dirty(x.len()));
        rotate(&x, &cos, &sin, shape, &mut out);
        rotate_back(&gradient, &cos, &sin, shape, &mut back);
        let left = weighted_sum(&double(&out), &gradient);
        let right = weighted_sum(&double(&back), &x);
        prop_assert!((left - right).abs() < 1e-6 * x.len() as f64, "{} {}", left, right);
    }
}

#[test]
fn gradient_is_that_of_finite_differences() {
    let shape = Shape {
        batch: 2,
        length: 3,
        heads: 2,
        head_dim: 6,
    };
    let gradient = random(1, elements(shape), 1.0);
    let (cos, sin) = tables(shape);
    let at = vec![0.3; elements(shape)];
    let expected = differences(&at, |x| {
        weighted_sum(&naive(x, &cos, &sin, shape), &gradient)
    });
    let mut back = dirty(gradient.len());
    rotate_back(&gradient, &cos, &sin, shape, &mut back);
    assert_close("grad_x", &back, &expected, 1e-6);
}

#[test]
fn bits_do_not_depend_on_threads() {
    let shape = Shape {
        batch: 3,
        length: 501,
        heads: 3,
        head_dim: 34,
    };
    let x = random(1, elements(shape), 1.0);
    let (cos, sin) = tables(shape);
    assert_same_on_any_threads(|| {
        let (mut out, mut back) = (dirty(x.len()), dirty(x.len()));
        rotate(&x, &cos, &sin, shape, &mut out);
        rotate_back(&x, &cos, &sin, shape, &mut back);
        vec![out, back]
    });
}

#[test]
fn many_blocks_equal_the_formula() {
    let shape = Shape {
        batch: 3,
        length: 501,
        heads: 3,
        head_dim: 34,
    };
    let x = random(1, elements(shape), 1.0);
    let (cos, sin) = tables(shape);
    let mut out = dirty(x.len());
    rotate(&x, &cos, &sin, shape, &mut out);
    assert_close("out", &out, &naive(&double(&x), &cos, &sin, shape), 2e-7);
}

#[test]
#[should_panic(expected = "table of cosines is too short")]
fn tables_must_reach_the_last_token() {
    let shape = Shape {
        batch: 1,
        length: 3,
        heads: 1,
        head_dim: 4,
    };
    rotate(&[0.0; 12], &[0.0; 5], &[0.0; 6], shape, &mut [0.0; 12]);
}

#[test]
#[should_panic(expected = "odd")]
fn head_dimension_must_be_even() {
    let shape = Shape {
        batch: 1,
        length: 1,
        heads: 1,
        head_dim: 3,
    };
    rotate(&[0.0; 3], &[0.0; 2], &[0.0; 2], shape, &mut [0.0; 3]);
}
