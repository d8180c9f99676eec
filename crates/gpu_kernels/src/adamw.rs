//! Adam with decoupled weight decay (Loshchilov and Hutter 2019), in one pass over a parameter and its
//! moments.

use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::launch::{allocate, argument, cube_dim, cubes, elementwise, single, units, vector_size};
use crate::reduce::{sum_lanes, sum_units};

/// Elements that one cube squares and sums; does not depend on the device, nor do the bits of the sum.
const SUMMED: usize = 1 << 14;

/// What a step needs besides the buffers.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the corrected second moment.
    pub epsilon: f32,
    /// The parameter is multiplied by `1 - learning_rate * weight_decay` before the update.
    pub weight_decay: f32,
    /// The gradient is multiplied by this first: 1, or less where its norm is clipped.
    pub gradient_scale: f32,
    /// Number of this step, from 1.
    pub step: u32,
}

/// Updates `param` and its moments `first` and `second` in place: `length` elements of `f32` each.
///
/// ```text
/// g      = gradient_scale * grad
/// first  = beta1 * first  + (1 - beta1) * g
/// second = beta2 * second + (1 - beta2) * g^2
/// param  = (1 - learning_rate * weight_decay) * param
///        - learning_rate * (first / (1 - beta1^step)) / (sqrt(second / (1 - beta2^step)) + epsilon)
/// ```
///
/// # Panics
/// If a buffer is too short or `step` is 0.
pub fn step(
    client: &Client,
    param: &Handle,
    grad: &Handle,
    first: &Handle,
    second: &Handle,
    length: usize,
    constants: &Constants,
) {
    assert!(constants.step > 0, "steps are counted from 1");
    // In single precision, as the reference implementation has it: 1 - 0.999^1 is 1.3e-5 off.
    let correction = |beta: f32| 1.0 / (1.0 - beta.powi(constants.step.cast_signed()));
    let decay = constants.learning_rate * f64::from(constants.weight_decay);
    let vector_size = vector_size(length);
    let (count, dim) = elementwise(client, length / vector_size);
    // SAFETY: units beyond `length` do nothing.
    unsafe {
        step_kernel::launch_unchecked(
            client,
            count,
            dim,
            vector_size,
            argument("param", param, length, single()),
            argument("grad", grad, length, single()),
            argument("first moment", first, length, single()),
            argument("second moment", second, length, single()),
            length / vector_size,
            constants.gradient_scale,
            constants.beta1,
            constants.beta2,
            correction(constants.beta1),
            correction(constants.beta2),
            constants.epsilon,
            (1.0 - decay) as f32,
            constants.learning_rate as f32,
        );
    }
}

/// Sum of the squares of the `length` elements of `x` (`f32`): one `f32`.
///
/// # Panics
/// If the buffer is too short.
pub fn sum_of_squares(client: &Client, x: &Handle, length: usize) -> Handle {
    let blocks = length.div_ceil(SUMMED);
    let partial = allocate(client, blocks, single());
    let sum = allocate(client, 1, single());
    let size = vector_size(length);
    let per_block = SUMMED / size;
    let block_units = units(client, per_block);
    let sum_vector_size = vector_size(blocks);
    let sums = blocks / sum_vector_size;
    let sum_units = units(client, sums);
    // SAFETY: cubes beyond `blocks` do nothing, and no block reaches beyond `length`.
    unsafe {
        squares_kernel::launch_unchecked(
            client,
            cubes(client, blocks),
            cube_dim(block_units),
            size,
            argument("x", x, length, single()),
            argument("partial sums", &partial, blocks, single()),
            length / size,
            per_block,
            blocks,
            block_units,
        );
        sum_kernel::launch_unchecked(
            client,
            CubeCount::new_single(),
            cube_dim(sum_units),
            sum_vector_size,
            argument("partial sums", &partial, blocks, single()),
            argument("sum", &sum, 1, single()),
            sums,
            sum_units,
        );
    }
    sum
}

#[cube(launch_unchecked)]
fn step_kernel<N: Size>(
    param: &mut [Vector<f32, N>],
    grad: &[Vector<f32, N>],
    first: &mut [Vector<f32, N>],
    second: &mut [Vector<f32, N>],
    vectors: usize,
    gradient_scale: f32,
    beta1: f32,
    beta2: f32,
    correction1: f32,
    correction2: f32,
    epsilon: f32,
    kept: f32,
    learning_rate: f32,
) {
    let i = ABSOLUTE_POS;
    if i < vectors {
        let grad = grad[i] * Vector::new(gradient_scale);
        let mean = first[i] * Vector::new(beta1) + grad * Vector::new(1.0 - beta1);
        let square = second[i] * Vector::new(beta2) + grad * grad * Vector::new(1.0 - beta2);
        first[i] = mean;
        second[i] = square;
        let root = (square * Vector::new(correction2)).sqrt() + Vector::new(epsilon);
        let update = mean * Vector::new(correction1) / root * Vector::new(learning_rate);
        param[i] = param[i] * Vector::new(kept) - update;
    }
}

/// A cube a block of `per_block` vectors.
#[cube(launch_unchecked)]
fn squares_kernel<N: Size>(
    x: &[Vector<f32, N>],
    partial: &mut [f32],
    vectors: usize,
    per_block: usize,
    blocks: usize,
    #[comptime] units: usize,
) {
    let block = CUBE_POS;
    if block < blocks {
        let mut scratch = Shared::<[Vector<f32, N>]>::new_slice(units);
        let end = min((block + 1) * per_block, vectors);
        let mut squares = Vector::<f32, N>::new(0.0);
        let mut i = block * per_block + UNIT_POS as usize;
        while i < end {
            squares += x[i] * x[i];
            i += units;
        }
        let sum = sum_lanes::<N>(sum_units::<N>(squares, &mut scratch));
        if UNIT_POS == 0 {
            partial[block] = sum;
        }
    }
}

/// One cube; `length` in vectors.
#[cube(launch_unchecked)]
fn sum_kernel<N: Size>(
    partial: &[Vector<f32, N>],
    out: &mut [f32],
    length: usize,
    #[comptime] units: usize,
) {
    let mut scratch = Shared::<[Vector<f32, N>]>::new_slice(units);
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut i = UNIT_POS as usize;
    while i < length {
        sum += partial[i];
        i += units;
    }
    let sum = sum_units::<N>(sum, &mut scratch);
    if UNIT_POS == 0 {
        out[0] = sum_lanes::<N>(sum);
    }
}
