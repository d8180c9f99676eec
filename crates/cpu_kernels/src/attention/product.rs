//! Small matrix products of tiles that lie packed in cache.
//!
//! The `gemm` crate would pack its operands again for every tile; here they are packed once for all.

use std::ops::Range;

use pulp::Simd;

/// Rows of a product: the unit in which queries, and keys of gradients, are handled.
pub(super) const ROWS: usize = 8;

/// Columns begin and end at multiples of this: the widest vector.
pub(super) const GRAIN: usize = 16;

/// Keys of a tile, at most, and the distance of rows of scores: a constant, so that the rows of a
/// product share one address register. Tiles of keys and values stay in the first- or second-level cache.
pub(super) const TILE: usize = 128;

/// The left factor, of [`ROWS`] rows.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    /// Rows of scores, from a column on.
    Rows(&'a [[f32; TILE]; ROWS], usize),
    /// The transpose of `[depth, ROWS]`, row-major with this stride.
    Columns(&'a [f32], usize),
}

/// The right factor `[depth, columns]`, cut into panels of `width` columns; each panel is row-major
/// `[depth, width]`. With one panel this is an ordinary row-major matrix.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub values: &'a [f32],
    pub depth: usize,
    pub width: usize,
}

impl<'a> Right<'a> {
    /// Some rows of a matrix of one panel.
    #[inline(always)]
    pub fn rows(self, rows: Range<usize>) -> Right<'a> {
        Right {
            values: &self.values[rows.start * self.width..rows.end * self.width],
            depth: rows.len(),
            width: self.width,
        }
    }
}

/// `out[:, columns] = factors * out[:, columns] + left @ right[:, columns]`, of rows `stride` apart.
///
/// Zero factors do not read `out`. `columns` begins at a multiple of two grains and ends at a multiple
/// of one.
#[inline(always)]
pub(super) fn product<S: Simd>(
    simd: S,
    left: Left<'_>,
    right: Right<'_>,
    columns: Range<usize>,
    factors: Factors<'_>,
    out: &mut [f32],
    stride: usize,
) {
    // Sums, a row of the right factor and one element of the left fit in the registers.
    if S::REGISTER_COUNT >= 32 {
        rows::<S, 8>(simd, left, right, columns, factors, out, stride);
    } else {
        rows::<S, 4>(simd, left, right, columns, factors, out, stride);
    }
}

/// What the old content of the output is multiplied by.
#[derive(Clone, Copy)]
pub(super) enum Factors<'a> {
    /// Nothing is kept, nor read.
    Zero,
    /// The product is added.
    One,
    /// A factor for each row.
    Each(&'a [f32; ROWS]),
}

#[inline(always)]
fn rows<S: Simd, const R: usize>(
    simd: S,
    left: Left<'_>,
    right: Right<'_>,
    columns: Range<usize>,
    factors: Factors<'_>,
    out: &mut [f32],
    stride: usize,
) {
    for row in (0..ROWS).step_by(R) {
        let mut column = columns.start;
        while column + 2 * S::F32_LANES <= columns.end {
            block::<S, R, 2>(simd, left, right, row, column, factors, out, stride);
            column += 2 * S::F32_LANES;
        }
        while column < columns.end {
            block::<S, R, 1>(simd, left, right, row, column, factors, out, stride);
            column += S::F32_LANES;
        }
    }
}

/// R rows of C vectors.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn block<S: Simd, const R: usize, const C: usize>(
    simd: S,
    left: Left<'_>,
    right: Right<'_>,
    row: usize,
    column: usize,
    factors: Factors<'_>,
    out: &mut [f32],
    stride: usize,
) {
    let Right {
        values,
        depth,
        width,
    } = right;
    let (panel, offset) = (column / width, column % width);
    let right = values[panel * depth * width..][..depth * width]
        .chunks_exact(width)
        .map(|line| vectors::<S, C>(&line[offset..]));

    let mut sums = [[simd.splat_f32s(0.0); C]; R];
    // Every element of the left factor is loaded where it is used, as a broadcast from memory.
    match left {
        Left::Rows(lines, start) => {
            for (k, right) in (start..TILE).zip(right) {
                accumulate(simd, |r| lines[row + r][k], right, &mut sums);
            }
        }
        Left::Columns(values, stride) => {
            for (line, right) in values.chunks(stride).zip(right) {
                let left: &[f32; R] = line[row..].first_chunk().expect("a row of the tile");
                accumulate(simd, |r| left[r], right, &mut sums);
            }
        }
    }

    for (r, sums) in sums.into_iter().enumerate() {
        let line = &mut out[(row + r) * stride + column..][..C * S::F32_LANES];
        let line = S::as_mut_simd_f32s(line).0;
        for (out, sum) in line.iter_mut().zip(sums) {
            *out = match factors {
                Factors::Zero => sum,
                Factors::One => simd.add_f32s(*out, sum),
                Factors::Each(each) => simd.mul_add_f32s(simd.splat_f32s(each[row + r]), *out, sum),
            };
        }
    }
}

#[inline(always)]
fn vectors<S: Simd, const C: usize>(values: &[f32]) -> &[S::f32s; C] {
    let (vectors, _) = S::as_simd_f32s(&values[..C * S::F32_LANES]);
    vectors.first_chunk().expect("C vectors")
}

#[inline(always)]
fn accumulate<S: Simd, const R: usize, const C: usize>(
    simd: S,
    left: impl Fn(usize) -> f32,
    right: &[S::f32s; C],
    sums: &mut [[S::f32s; C]; R],
) {
    for (r, sums) in sums.iter_mut().enumerate() {
        let left = simd.splat_f32s(left(r));
        for (sum, &right) in sums.iter_mut().zip(right) {
            *sum = simd.mul_add_f32s(left, right, *sum);
        }
    }
}
