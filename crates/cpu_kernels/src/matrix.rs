//! Matrix products over strided views, by the `gemm` crate.

use gemm::Parallelism;

/// A read-only matrix: element `(i, j)` is `values[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix whose rows begin `row_stride` elements apart.
    pub fn new(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check(values.len(), rows, columns, row_stride);
        Self {
            values,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// The transpose, without moving anything.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A row-major matrix to write to, rows `row_stride` elements apart.
pub(crate) struct ViewMut<'a> {
    values: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> ViewMut<'a> {
    /// A row-major matrix whose rows begin `row_stride` elements apart.
    pub fn new(values: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check(values.len(), rows, columns, row_stride);
        Self {
            values,
            rows,
            columns,
            row_stride,
        }
    }
}

/// Panics unless every element of the matrix lies within `length`.
fn check(length: usize, rows: usize, columns: usize, row_stride: usize) {
    assert!(columns <= row_stride || rows <= 1, "rows overlap");
    let needed = match (rows, columns) {
        (0, _) | (_, 0) => 0,
        _ => (rows - 1) * row_stride + columns,
    };
    assert!(
        needed <= length,
        "a {rows}x{columns} matrix needs {needed} elements, not {length}"
    );
}

/// What becomes of the destination's old content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Into {
    /// It is overwritten, and never read.
    Fresh,
    /// The product is added to it.
    Sum,
}

/// `out = a @ b`, or `out += a @ b`, on the calling thread: kernels are parallel over tiles.
pub(crate) fn multiply(a: View<'_>, b: View<'_>, out: ViewMut<'_>, into: Into) {
    assert_eq!(a.columns, b.rows, "inner dimensions");
    assert_eq!(
        (a.rows, b.columns),
        (out.rows, out.columns),
        "outer dimensions"
    );
    let sum = into == Into::Sum;
    // SAFETY: the constructors checked that every element addressed by rows, columns and strides lies
    // within its slice; `out` is borrowed mutably, so it overlaps neither `a` nor `b`; strides of a
    // slice fit in isize.
    unsafe {
        gemm::gemm(
            out.rows,
            out.columns,
            a.columns,
            out.values.as_mut_ptr(),
            1,
            out.row_stride as isize,
            sum,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            if sum { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
