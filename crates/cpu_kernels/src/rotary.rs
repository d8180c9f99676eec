//! Rotary position embedding: pairs `(i, i + D/2)` of every head are rotated by angles of the position.

use crate::parallel::{for_each, rows_per_block};
use crate::simd::vectorised;

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
    /// Elements of one token.
    fn token(&self) -> usize {
        self.heads * self.head_dim
    }

    fn elements(&self) -> usize {
        self.batch * self.length * self.token()
    }
}

/// Writes `x` rotated to `out`, both `[B, T, heads, D]`: with `c` and `s` the rows of `cos` and `sin` of
/// the token's position, `first * c - second * s` and `second * c + first * s`.
///
/// `cos` and `sin` are `[T', D/2]` with `T' >= T`.
///
/// # Panics
/// If `D` is odd, a table is shorter than `T`, or lengths disagree.
pub fn rotate(x: &[f32], cos: &[f32], sin: &[f32], shape: Shape, out: &mut [f32]) {
    apply(Some(x), Tables::new(cos, sin, 1.0, &shape), &shape, out);
}

/// [`rotate`] from `x` to itself.
///
/// # Panics
/// As [`rotate`].
pub fn rotate_in_place(x: &mut [f32], cos: &[f32], sin: &[f32], shape: Shape) {
    apply(None, Tables::new(cos, sin, 1.0, &shape), &shape, x);
}

/// Gradient of [`rotate`]: `grad_out` rotated by the opposite angles, written to `grad_x`.
///
/// # Panics
/// As [`rotate`].
pub fn rotate_back(grad_out: &[f32], cos: &[f32], sin: &[f32], shape: Shape, grad_x: &mut [f32]) {
    apply(
        Some(grad_out),
        Tables::new(cos, sin, -1.0, &shape),
        &shape,
        grad_x,
    );
}

/// Cosines and sines of all positions, `[T', D/2]`.
struct Tables<'a> {
    cos: &'a [f32],
    sin: &'a [f32],
    /// 1 or -1: the direction.
    sign: f32,
}

impl<'a> Tables<'a> {
    fn new(cos: &'a [f32], sin: &'a [f32], sign: f32, shape: &Shape) -> Self {
        assert_eq!(
            shape.head_dim % 2,
            0,
            "head dimension {} is odd",
            shape.head_dim
        );
        let needed = shape.length * (shape.head_dim / 2);
        assert!(cos.len() >= needed, "table of cosines is too short");
        assert!(sin.len() >= needed, "table of sines is too short");
        Self { cos, sin, sign }
    }

    /// Cosines and sines of a position, `[D/2]` each.
    #[inline(always)]
    fn row(&self, position: usize, half: usize) -> (&[f32], &[f32]) {
        let range = position * half..(position + 1) * half;
        (&self.cos[range.clone()], &self.sin[range])
    }
}

/// Rotates `x`, or `out` where there is no `x`, to `out`.
fn apply(x: Option<&[f32]>, tables: Tables<'_>, shape: &Shape, out: &mut [f32]) {
    assert_eq!(out.len(), shape.elements(), "out and shape");
    if let Some(x) = x {
        assert_eq!(x.len(), out.len(), "x and out");
    }
    if out.is_empty() {
        return;
    }
    let token = shape.token();
    let tokens = rows_per_block(token);
    let blocks = out.chunks_mut(tokens * token).enumerate().collect();
    for_each(blocks, |(block, out): (usize, &mut [f32])| {
        let first = block * tokens;
        let x = x.map(|x| &x[first * token..][..out.len()]);
        vectorised(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_exact_mut(token).enumerate() {
                    if let Some(x) = x {
                        // The copy stays in the first-level cache.
                        out.copy_from_slice(&x[i * token..][..token]);
                    }
                    let position = (first + i) % shape.length;
                    rotate_token(&tables, position, shape.head_dim, out);
                }
            },
        );
    });
}

/// Rotates the heads of one token, `[heads, D]`.
#[inline(always)]
fn rotate_token(tables: &Tables<'_>, position: usize, head_dim: usize, token: &mut [f32]) {
    let half = head_dim / 2;
    let (cos, sin) = tables.row(position, half);
    for head in token.chunks_exact_mut(head_dim) {
        let (first, second) = head.split_at_mut(half);
        let pairs = first.iter_mut().zip(second).zip(cos).zip(sin);
        for (((first, second), &cos), &sin) in pairs {
            let sin = tables.sign * sin;
            (*first, *second) = (*first * cos - *second * sin, *second * cos + *first * sin);
        }
    }
}
