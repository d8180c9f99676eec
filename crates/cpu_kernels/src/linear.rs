//! `out = x @ w` and its gradients. Weights are `[inputs, outputs]`.

use crate::matrix::{Into, View, ViewMut, multiply};
use crate::parallel::{for_each, with_scratch};

/// Rows of `x` that one piece of work multiplies.
const ROWS: usize = 128;
/// Rows of `x` that one product of [`grad_weight`] sums over: many more do not stay in the cache.
const DEPTH: usize = 256;

/// Sizes of a product.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rows of `x` and `out`, N.
    pub rows: usize,
    /// Columns of `x`, I.
    pub inputs: usize,
    /// Columns of `out`, O.
    pub outputs: usize,
}

/// Writes `x @ w` to `out`: `x` is `[N, I]`, `w` is `[I, O]`, `out` is `[N, O]`.
///
/// # Panics
/// If lengths disagree.
pub fn forward(x: &[f32], w: &[f32], shape: Shape, out: &mut [f32]) {
    shape.check(x, w, out);
    let w = View::new(w, shape.inputs, shape.outputs, shape.outputs);
    multiply_rows(x, w, shape.inputs, out, shape.outputs);
}

/// Writes `grad_out @ w^T` to `grad_x`: `grad_out` is `[N, O]`, `w` is `[I, O]`, `grad_x` is `[N, I]`.
///
/// # Panics
/// If lengths disagree.
pub fn grad_input(grad_out: &[f32], w: &[f32], shape: Shape, grad_x: &mut [f32]) {
    shape.check(grad_x, w, grad_out);
    let Shape {
        inputs, outputs, ..
    } = shape;
    // Once, instead of by every product as it packs its operands.
    with_scratch(w.len(), |transposed| {
        transpose(w, inputs, outputs, transposed);
        let w = View::new(transposed, outputs, inputs, inputs);
        multiply_rows(grad_out, w, outputs, grad_x, inputs);
    });
}

/// Writes `x^T @ grad_out` to `grad_w`: `x` is `[N, I]`, `grad_out` is `[N, O]`, `grad_w` is `[I, O]`.
///
/// # Panics
/// If lengths disagree.
pub fn grad_weight(x: &[f32], grad_out: &[f32], shape: Shape, grad_w: &mut [f32]) {
    shape.check(x, grad_w, grad_out);
    let Shape {
        rows,
        inputs,
        outputs,
    } = shape;
    if rows == 0 || grad_w.is_empty() {
        grad_w.fill(0.0);
        return;
    }
    // Every block packs all of `grad_out`: as few as leave something for a second core.
    let block_rows = (inputs / 2).clamp(64, 256);
    let blocks = grad_w
        .chunks_mut(block_rows * outputs)
        .enumerate()
        .collect();
    for_each(blocks, |(block, grad_w): (usize, &mut [f32])| {
        let first = block * block_rows;
        let columns = grad_w.len() / outputs;
        for start in (0..rows).step_by(DEPTH) {
            let depth = DEPTH.min(rows - start);
            let x = View::new(&x[start * inputs + first..], depth, columns, inputs);
            let grad_out = View::new(&grad_out[start * outputs..], depth, outputs, outputs);
            let out = ViewMut::new(grad_w, columns, outputs, outputs);
            let into = if start == 0 { Into::Fresh } else { Into::Sum };
            multiply(x.transposed(), grad_out, out, into);
        }
    });
}

impl Shape {
    fn check(&self, x: &[f32], w: &[f32], out: &[f32]) {
        assert_eq!(x.len(), self.rows * self.inputs, "[rows, inputs]");
        assert_eq!(w.len(), self.inputs * self.outputs, "[inputs, outputs]");
        assert_eq!(out.len(), self.rows * self.outputs, "[rows, outputs]");
    }
}

/// `out = x @ w` for `x` of `inputs` columns and `out` of `outputs`.
fn multiply_rows(x: &[f32], w: View<'_>, inputs: usize, out: &mut [f32], outputs: usize) {
    if x.is_empty() || out.is_empty() {
        out.fill(0.0);
        return;
    }
    let blocks = x
        .chunks(ROWS * inputs)
        .zip(out.chunks_mut(ROWS * outputs))
        .collect();
    for_each(blocks, |(x, out): (&[f32], &mut [f32])| {
        let rows = out.len() / outputs;
        let x = View::new(x, rows, inputs, inputs);
        multiply(x, w, ViewMut::new(out, rows, outputs, outputs), Into::Fresh);
    });
}

/// Writes the transpose of `w`, `[rows, columns]`, to `out`.
fn transpose(w: &[f32], rows: usize, columns: usize, out: &mut [f32]) {
    // Squares small enough that their lines are in the cache at the same time.
    const SIDE: usize = 16;
    if w.is_empty() {
        return;
    }
    let bands = out.chunks_mut(SIDE * rows).enumerate().collect();
    for_each(bands, |(band, out): (usize, &mut [f32])| {
        let first = band * SIDE;
        for start in (0..rows).step_by(SIDE) {
            let end = rows.min(start + SIDE);
            for (column, out) in out.chunks_exact_mut(rows).enumerate() {
                for row in start..end {
                    out[row] = w[row * columns + first + column];
                }
            }
        }
    });
}
