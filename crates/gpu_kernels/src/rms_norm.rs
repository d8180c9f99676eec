//! Root-mean-square normalisation (Zhang and Sennrich 2019):
//! `x / sqrt(mean(x^2) + epsilon) * (gain + offset)`.

use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::launch::{allocate, argument, cube_dim, cubes, elementwise, single, units, vector_size};
use crate::reduce::{sum_lanes, sum_units};

/// Blocks of rows whose contributions to the gain's gradient are summed apart, at most.
const BLOCKS: usize = 256;
/// Rows of such a block, at least.
const ROWS: usize = 16;

/// What is normalised: `[N, C]`, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rows, N.
    pub rows: usize,
    /// Elements of a row, C.
    pub width: usize,
    /// Type of the elements, and of the gains.
    pub dtype: ElemType,
}

/// The norm of every row of `x`, `[N, C]`, and `1 / sqrt(mean(x^2) + epsilon)`, `[N]` in `f32`, which
/// [`backward`] needs.
///
/// `x` is `[N, C]`, `gain` is `[C]`. `gain_offset` is added to every gain: 1 for gains that are stored as
/// deviations from 1 (Gemma), 0 for plain ones. Without `gain` nothing is multiplied.
///
/// # Panics
/// If a buffer is too short.
pub fn forward(
    client: &Client,
    x: &Handle,
    gain: Option<&Handle>,
    gain_offset: f32,
    epsilon: f32,
    shape: Shape,
) -> (Handle, Handle) {
    let Shape { rows, width, dtype } = shape;
    let elements = rows * width;
    let out = allocate(client, elements, dtype);
    let inverse_rms = allocate(client, rows, single());
    let vector_size = vector_size(width);
    let units = units(client, width / vector_size);
    // SAFETY: cubes beyond the rows do nothing, units stay within their row.
    unsafe {
        forward_kernel::launch_unchecked(
            client,
            cubes(client, rows),
            cube_dim(units),
            vector_size,
            argument("x", x, elements, dtype),
            gain.map(|gain| argument("gain", gain, width, dtype)).into(),
            argument("out", &out, elements, dtype),
            argument("inverse_rms", &inverse_rms, rows, single()),
            rows,
            width / vector_size,
            1.0 / width as f32,
            gain_offset,
            epsilon,
            units,
            dtype,
        );
    }
    (out, inverse_rms)
}

/// Gradients of [`forward`] by `x`, `[N, C]`, and, where there is one, by the gain, `[C]`, given that of
/// its output.
///
/// `x` and `grad_out` are `[N, C]`, `inverse_rms` is `[N]` as [`forward`] returned it, `gain` is `[C]`.
///
/// # Panics
/// If a buffer is too short.
pub fn backward(
    client: &Client,
    x: &Handle,
    gain: Option<&Handle>,
    gain_offset: f32,
    inverse_rms: &Handle,
    grad_out: &Handle,
    shape: Shape,
) -> (Handle, Option<Handle>) {
    let Shape { rows, width, dtype } = shape;
    let elements = rows * width;
    let grad_x = allocate(client, elements, dtype);
    let vector_size = vector_size(width);
    let units = units(client, width / vector_size);
    // SAFETY: cubes beyond the rows do nothing, units stay within their row.
    unsafe {
        grad_x_kernel::launch_unchecked(
            client,
            cubes(client, rows),
            cube_dim(units),
            vector_size,
            argument("x", x, elements, dtype),
            gain.map(|gain| argument("gain", gain, width, dtype)).into(),
            argument("inverse_rms", inverse_rms, rows, single()),
            argument("grad_out", grad_out, elements, dtype),
            argument("grad_x", &grad_x, elements, dtype),
            rows,
            width / vector_size,
            1.0 / width as f32,
            gain_offset,
            units,
            dtype,
        );
    }
    let grad_gain = gain.map(|_| grad_gain(client, x, inverse_rms, grad_out, shape));
    (grad_x, grad_gain)
}

/// Sum over the rows of `grad_out * x * inverse_rms`: over blocks of rows first, then over the blocks.
fn grad_gain(
    client: &Client,
    x: &Handle,
    inverse_rms: &Handle,
    grad_out: &Handle,
    shape: Shape,
) -> Handle {
    let Shape { rows, width, dtype } = shape;
    let per_block = rows.div_ceil(BLOCKS).max(ROWS);
    let blocks = rows.div_ceil(per_block);
    let partial = allocate(client, blocks * width, single());
    let out = allocate(client, width, dtype);
    let vector_size = vector_size(width);
    let vectors = width / vector_size;
    let (count, dim) = elementwise(client, blocks * vectors);
    let sum_units = units(client, blocks);
    // SAFETY: units and cubes beyond the columns do nothing, and no block reaches beyond the rows.
    unsafe {
        grad_gain_kernel::launch_unchecked(
            client,
            count,
            dim,
            vector_size,
            argument("x", x, rows * width, dtype),
            argument("inverse_rms", inverse_rms, rows, single()),
            argument("grad_out", grad_out, rows * width, dtype),
            argument("partial sums", &partial, blocks * width, single()),
            rows,
            vectors,
            per_block,
            blocks,
            dtype,
        );
        sum_blocks_kernel::launch_unchecked(
            client,
            cubes(client, vectors),
            cube_dim(sum_units),
            vector_size,
            argument("partial sums", &partial, blocks * width, single()),
            argument("grad_gain", &out, width, dtype),
            vectors,
            blocks,
            sum_units,
            dtype,
        );
    }
    out
}

/// What column `i` is multiplied by.
#[cube]
fn factor<F: Float, N: Size>(
    gain: &ComptimeOption<&[Vector<F, N>]>,
    i: usize,
    offset: f32,
) -> Vector<f32, N> {
    #[comptime]
    match gain {
        ComptimeOption::Some(gain) => Vector::<f32, N>::cast_from(gain[i]) + Vector::new(offset),
        ComptimeOption::None => Vector::<f32, N>::new(1.0),
    }
}

/// A cube a row; `width` in vectors, `share` is 1/C.
#[cube(launch_unchecked)]
fn forward_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    gain: ComptimeOption<&[Vector<F, N>]>,
    out: &mut [Vector<F, N>],
    inverse_rms: &mut [f32],
    rows: usize,
    width: usize,
    share: f32,
    offset: f32,
    epsilon: f32,
    #[comptime] units: usize,
    #[define(F)] _dtype: ElemType,
) {
    let row = CUBE_POS;
    if row < rows {
        let mut scratch = Shared::<[Vector<f32, N>]>::new_slice(units);
        let start = row * width;
        let mut squares = Vector::<f32, N>::new(0.0);
        let mut i = UNIT_POS as usize;
        while i < width {
            let x = Vector::<f32, N>::cast_from(x[start + i]);
            squares += x * x;
            i += units;
        }
        let mean = sum_lanes::<N>(sum_units::<N>(squares, &mut scratch)) * share;
        let inverse = 1.0f32 / (mean + epsilon).sqrt();
        let mut i = UNIT_POS as usize;
        while i < width {
            let x = Vector::<f32, N>::cast_from(x[start + i]);
            let factor = factor::<F, N>(&gain, i, offset);
            out[start + i] = Vector::cast_from(x * Vector::new(inverse) * factor);
            i += units;
        }
        if UNIT_POS == 0 {
            inverse_rms[row] = inverse;
        }
    }
}

/// With `g = grad_out * factors` and `r` the inverse: `r * g - x * r^3 * mean(g * x)`. A cube a row.
#[cube(launch_unchecked)]
fn grad_x_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    gain: ComptimeOption<&[Vector<F, N>]>,
    inverse_rms: &[f32],
    grad_out: &[Vector<F, N>],
    grad_x: &mut [Vector<F, N>],
    rows: usize,
    width: usize,
    share: f32,
    offset: f32,
    #[comptime] units: usize,
    #[define(F)] _dtype: ElemType,
) {
    let row = CUBE_POS;
    if row < rows {
        let mut scratch = Shared::<[Vector<f32, N>]>::new_slice(units);
        let start = row * width;
        let inverse = Vector::<f32, N>::new(inverse_rms[row]);
        let mut along = Vector::<f32, N>::new(0.0);
        let mut i = UNIT_POS as usize;
        while i < width {
            let x = Vector::<f32, N>::cast_from(x[start + i]) * inverse;
            let grad = Vector::<f32, N>::cast_from(grad_out[start + i]);
            along += grad * factor::<F, N>(&gain, i, offset) * x;
            i += units;
        }
        // Of x * r, not of x: r^3 could overflow before x made it small.
        let mean = sum_lanes::<N>(sum_units::<N>(along, &mut scratch)) * share;
        let mean = Vector::<f32, N>::new(mean);
        let mut i = UNIT_POS as usize;
        while i < width {
            let x = Vector::<f32, N>::cast_from(x[start + i]) * inverse;
            let grad = Vector::<f32, N>::cast_from(grad_out[start + i]);
            let grad = grad * factor::<F, N>(&gain, i, offset);
            grad_x[start + i] = Vector::cast_from((grad - x * mean) * inverse);
            i += units;
        }
    }
}

/// A unit a vector of columns of a block of `per_block` rows.
#[cube(launch_unchecked)]
fn grad_gain_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    inverse_rms: &[f32],
    grad_out: &[Vector<F, N>],
    partial: &mut [Vector<f32, N>],
    rows: usize,
    width: usize,
    per_block: usize,
    blocks: usize,
    #[define(F)] _dtype: ElemType,
) {
    let block = ABSOLUTE_POS / width;
    if block < blocks {
        let column = ABSOLUTE_POS % width;
        let end = min((block + 1) * per_block, rows);
        let mut sum = Vector::<f32, N>::new(0.0);
        let mut row = block * per_block;
        while row < end {
            let x = Vector::<f32, N>::cast_from(x[row * width + column]);
            let grad = Vector::<f32, N>::cast_from(grad_out[row * width + column]);
            sum += grad * (x * Vector::new(inverse_rms[row]));
            row += 1;
        }
        partial[block * width + column] = sum;
    }
}

/// A cube a vector of columns.
#[cube(launch_unchecked)]
fn sum_blocks_kernel<F: Float, N: Size>(
    partial: &[Vector<f32, N>],
    out: &mut [Vector<F, N>],
    width: usize,
    blocks: usize,
    #[comptime] units: usize,
    #[define(F)] _dtype: ElemType,
) {
    let column = CUBE_POS;
    if column < width {
        let mut scratch = Shared::<[Vector<f32, N>]>::new_slice(units);
        let mut sum = Vector::<f32, N>::new(0.0);
        let mut block = UNIT_POS as usize;
        while block < blocks {
            sum += partial[block * width + column];
            block += units;
        }
        let sum = sum_units::<N>(sum, &mut scratch);
        if UNIT_POS == 0 {
            out[column] = Vector::cast_from(sum);
        }
    }
}
