//! Rotary position embedding (Su et al. 2021): pairs `(i, i + D/2)` of every head are rotated by angles
//! of the position.

use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::launch::{allocate, argument, elementwise, vector_size};

/// What is rotated: `[B, T, heads, D]`, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Sequences, B.
    pub batch: usize,
    /// Tokens a sequence, T.
    pub length: usize,
    /// Heads of a token.
    pub heads: usize,
    /// Elements of a head, D: even.
    pub head_dim: usize,
}

impl Shape {
    fn elements(&self) -> usize {
        self.batch * self.length * self.heads * self.head_dim
    }
}

/// `x` rotated, `[B, T, heads, D]`: with `c` and `s` the rows of `cos` and `sin` of the token's position,
/// `first * c - second * s` and `second * c + first * s`.
///
/// `x` and what is returned hold `dtype`; `cos` and `sin` are `[T', D/2]` of `table_dtype`, `T' >= T`.
///
/// # Panics
/// If `D` is odd or a buffer is too short.
pub fn rotate(
    client: &Client,
    x: &Handle,
    cos: &Handle,
    sin: &Handle,
    shape: Shape,
    dtype: ElemType,
    table_dtype: ElemType,
) -> Handle {
    apply(client, x, [cos, sin], 1.0, shape, [dtype, table_dtype])
}

/// Gradient of [`rotate`]: `grad_out` rotated by the opposite angles. Arguments as there.
///
/// # Panics
/// As [`rotate`].
pub fn rotate_back(
    client: &Client,
    grad_out: &Handle,
    cos: &Handle,
    sin: &Handle,
    shape: Shape,
    dtype: ElemType,
    table_dtype: ElemType,
) -> Handle {
    let dtypes = [dtype, table_dtype];
    apply(client, grad_out, [cos, sin], -1.0, shape, dtypes)
}

fn apply(
    client: &Client,
    x: &Handle,
    [cos, sin]: [&Handle; 2],
    sign: f32,
    shape: Shape,
    dtypes: [ElemType; 2],
) -> Handle {
    let head_dim = shape.head_dim;
    assert_eq!(head_dim % 2, 0, "head dimension {head_dim} is odd");
    let [dtype, table_dtype] = dtypes;
    let elements = shape.elements();
    let half = head_dim / 2;
    let out = allocate(client, elements, dtype);
    let vector_size = vector_size(half);
    let pairs = elements / 2 / vector_size;
    let (count, dim) = elementwise(client, pairs);
    // SAFETY: units beyond the pairs do nothing; tables have a row for every position.
    unsafe {
        rotate_kernel::launch_unchecked(
            client,
            count,
            dim,
            vector_size,
            argument("x", x, elements, dtype),
            argument("cosines", cos, shape.length * half, table_dtype),
            argument("sines", sin, shape.length * half, table_dtype),
            argument("out", &out, elements, dtype),
            pairs,
            shape.length,
            shape.heads,
            half / vector_size,
            sign,
            dtypes,
        );
    }
    out
}

/// A unit a vector of pairs; `half` is `D/2` in vectors.
#[cube(launch_unchecked)]
fn rotate_kernel<F: Float, T: Float, N: Size>(
    x: &[Vector<F, N>],
    cos: &[Vector<T, N>],
    sin: &[Vector<T, N>],
    out: &mut [Vector<F, N>],
    pairs: usize,
    length: usize,
    heads: usize,
    half: usize,
    sign: f32,
    #[define(F, T)] _dtypes: [ElemType; 2],
) {
    let pair = ABSOLUTE_POS;
    if pair < pairs {
        let head = pair / half;
        let i = pair % half;
        let angle = (head / heads) % length * half + i;
        let cos = Vector::<f32, N>::cast_from(cos[angle]);
        let sin = Vector::<f32, N>::cast_from(sin[angle]) * Vector::new(sign);
        let place = head * half * 2 + i;
        let first = Vector::<f32, N>::cast_from(x[place]);
        let second = Vector::<f32, N>::cast_from(x[place + half]);
        out[place] = Vector::cast_from(first * cos - second * sin);
        out[place + half] = Vector::cast_from(second * cos + first * sin);
    }
}
