//! Look-up of rows of a table, and the sum of gradients back into them.

use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::launch::{allocate, argument, cube_dim, cubes, elementwise, single, units, vector_size};

/// Rows of the table whose gradients one cube sums.
const ROWS: usize = 16;
/// Consecutive ids that a unit looks through at once.
const IDS: usize = 4;

/// A table and the ids looked up in it.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rows of the table, V.
    pub vocabulary: usize,
    /// Elements of a row, C.
    pub width: usize,
    /// Ids, N.
    pub tokens: usize,
    /// Type of the ids, an integer.
    pub ids: ElemType,
}

/// `scale * weight[id]` for every id, `[N, C]`, and zeros for ids that are not in `0..V`.
///
/// `weight` is `[V, C]` and, like what is returned, in `f32`; `ids` is `[N]`.
///
/// # Panics
/// If a buffer is too short.
pub fn forward(client: &Client, weight: &Handle, ids: &Handle, scale: f32, shape: Shape) -> Handle {
    let elements = shape.tokens * shape.width;
    let out = allocate(client, elements, single());
    let vector_size = vector_size(shape.width);
    let (count, dim) = elementwise(client, elements / vector_size);
    let weights = shape.vocabulary * shape.width;
    // SAFETY: units beyond the elements, and for ids beyond the table, read nothing.
    unsafe {
        forward_kernel::launch_unchecked(
            client,
            count,
            dim,
            vector_size,
            argument("weight", weight, weights, single()),
            argument("ids", ids, shape.tokens, shape.ids),
            argument("out", &out, elements, single()),
            shape.vocabulary as u32,
            shape.width / vector_size,
            elements / vector_size,
            scale,
            shape.ids,
        );
    }
    out
}

/// The sum of `scale * grad_out[n]` over the `n` with `ids[n] = v`, in their order, for every row `v` of
/// the table: `[V, C]`.
///
/// `ids` is `[N]`, `grad_out` is `[N, C]` and, like what is returned, in `f32`. Ids that are not in
/// `0..V` count for nothing.
///
/// # Panics
/// If a buffer is too short.
pub fn grad_weight(
    client: &Client,
    ids: &Handle,
    grad_out: &Handle,
    scale: f32,
    shape: Shape,
) -> Handle {
    let weights = shape.vocabulary * shape.width;
    let out = allocate(client, weights, single());
    let vector_size = vector_size(shape.width);
    let width = shape.width / vector_size;
    // All look through the ids, also where a row has fewer elements.
    let units = units(client, width.max(shape.tokens.div_ceil(IDS)));
    // SAFETY: cubes stay within their rows of the table, and read gradients of tokens only.
    unsafe {
        grad_weight_kernel::launch_unchecked(
            client,
            cubes(client, shape.vocabulary.div_ceil(ROWS)),
            cube_dim(units),
            vector_size,
            argument("ids", ids, shape.tokens, shape.ids),
            argument("grad_out", grad_out, shape.tokens * shape.width, single()),
            argument("grad_weight", &out, weights, single()),
            shape.vocabulary,
            width,
            shape.tokens,
            scale,
            units,
            shape.ids,
        );
    }
    out
}

/// A unit a vector of the output.
#[cube(launch_unchecked)]
fn forward_kernel<I: Int, N: Size>(
    weight: &[Vector<f32, N>],
    ids: &[I],
    out: &mut [Vector<f32, N>],
    vocabulary: u32,
    width: usize,
    vectors: usize,
    scale: f32,
    #[define(I)] _dtype: ElemType,
) {
    let i = ABSOLUTE_POS;
    if i < vectors {
        // A negative id is a large one.
        let id = u32::cast_from(ids[i / width]);
        let mut row = Vector::<f32, N>::new(0.0);
        if id < vocabulary {
            row = weight[id as usize * width + i % width];
        }
        out[i] = row * Vector::new(scale);
    }
}

/// A cube [`ROWS`] rows of the table, a unit the same columns of all of them: nobody else adds to those.
///
/// Tokens come in tiles. Every unit looks through [`IDS`] ids and counts those of its cube's rows; from
/// the running sums of the counts it knows where in the list of such tokens its own go; then the
/// gradients of the tokens in the list are added in its order, which is that of the positions.
#[cube(launch_unchecked)]
fn grad_weight_kernel<I: Int, N: Size>(
    ids: &[I],
    grad_out: &[Vector<f32, N>],
    grad_weight: &mut [Vector<f32, N>],
    vocabulary: usize,
    width: usize,
    tokens: usize,
    scale: f32,
    #[comptime] units: usize,
    #[define(I)] _dtype: ElemType,
) {
    let mut sums = Shared::<[u32]>::new_slice(units);
    let mut found = Shared::<[u32]>::new_slice(units * IDS);
    let mut row_found = Shared::<[u32]>::new_slice(units * IDS);
    let unit = UNIT_POS as usize;
    let first_row = CUBE_POS * ROWS;
    let end_row = min(first_row + ROWS, vocabulary);
    let scale = Vector::<f32, N>::new(scale);

    let end = end_row * width;
    let mut column = unit;
    while column < width {
        let mut place = first_row * width + column;
        while place < end {
            grad_weight[place] = Vector::new(0.0);
            place += width;
        }
        column += units;
    }

    let mut tile = 0usize;
    while tile < tokens {
        let own = tile + unit * IDS;
        let mut count = 0u32;
        #[unroll]
        for k in 0..IDS {
            if own + k < tokens {
                let id = u32::cast_from(ids[own + k]) as usize;
                if id >= first_row && id < end_row {
                    count += 1;
                }
            }
        }
        let total = running_sums(count, &mut sums);
        let mut next = sums[unit] - count;
        if count > 0 {
            #[unroll]
            for k in 0..IDS {
                if own + k < tokens {
                    let id = u32::cast_from(ids[own + k]) as usize;
                    if id >= first_row && id < end_row {
                        found[next as usize] = (own + k) as u32;
                        row_found[next as usize] = id as u32;
                        next += 1;
                    }
                }
            }
        }
        sync_cube();
        let mut column = unit;
        while column < width {
            for k in 0..total {
                let token = found[k as usize] as usize;
                let place = row_found[k as usize] as usize * width + column;
                grad_weight[place] += grad_out[token * width + column] * scale;
            }
            column += units;
        }
        // Nobody writes to the list again before all have read it.
        sync_cube();
        tile += units * IDS;
    }
}

/// Leaves the sum of the counts of this and all previous units in `sums`, and returns the sum of all.
#[cube]
fn running_sums(count: u32, sums: &mut Shared<[u32]>) -> u32 {
    let unit = UNIT_POS as usize;
    let units = CUBE_DIM as usize;
    sums[unit] = count;
    sync_cube();
    let mut reach = 1usize;
    while reach < units {
        let mut previous = 0u32;
        if unit >= reach {
            previous = sums[unit - reach];
        }
        sync_cube();
        sums[unit] += previous;
        sync_cube();
        reach *= 2;
    }
    sums[units - 1]
}
