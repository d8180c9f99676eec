//! Matrix products on GPUs, in shapes that every kernel Burn tries can take.
//!
//! Tuning runs all of Burn's candidates on a product. Where the result has four times as many rows as columns, cubek 0.4 takes tensor
//! cores by tiles of 32 rows and stages of 512; candidates that load a stage by TMA then describe a box of 512 rows, and CUDA takes
//! 256 at most. The driver refuses the launch, `CubeCL` marks what it would have written, and with it everything that is computed
//! from there on (docs/decisions.md). Only inputs of 16 bits get such tiles, so only they are cut here.

use burn::backend::TensorMetadata;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Shape;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;

use crate::cube::Gpu;

/// Rows to a column from which cubek takes tall tiles.
const TALL: usize = 4;
/// Burn keeps a batch apart whose matrices have a multiple of these rows; others it joins again.
const TILE: usize = 32;

/// `a @ b` over the last two dimensions, `[.., N, I]` and `[.., I, O]` to `[.., N, O]`; the others are the same in both.
pub fn product(a: Gpu, b: Gpu) -> Gpu {
    let [rows, columns] = [rows(&a), columns(&b)];
    let is_half = a.dtype.size() == 2;
    if is_half && rows >= TALL * columns {
        tall(a, b)
    } else {
        CubeBackend::float_matmul(a, b)
    }
}

/// The same for a result with many rows, as a batch of products with fewer where the rows can be cut, else turned on its side.
fn tall(a: Gpu, b: Gpu) -> Gpu {
    let (rows, inner, columns) = (rows(&a), columns(&a), columns(&b));
    let mut shape = a.shape();
    let last = shape.num_dims() - 1;
    let is_single = shape[..last - 1].iter().all(|&size| size == 1);
    match rows_at_once(rows, columns) {
        Some(at_once) if is_single && a.is_contiguous() => {
            let a = reshaped(a, Shape::new([rows / at_once, at_once, inner]));
            let b = reshaped(b, Shape::new([1, inner, columns]));
            shape[last] = columns;
            reshaped(CubeBackend::float_matmul(a, b), shape)
        }
        _ => {
            let [a, b] = [a, b].map(CubeBackend::float_transpose);
            into_contiguous(CubeBackend::float_transpose(CubeBackend::float_matmul(
                b, a,
            )))
        }
    }
}

/// The most rows of a product that is not tall, if they divide all of them and are not so few that tiles stay empty.
fn rows_at_once(rows: usize, columns: usize) -> Option<usize> {
    (TALL * columns / 8..TALL * columns)
        .rev()
        .find(|at_once| at_once.is_multiple_of(TILE) && rows.is_multiple_of(*at_once))
}

fn rows(matrix: &Gpu) -> usize {
    let shape = matrix.shape();
    shape[shape.num_dims() - 2]
}

fn columns(matrix: &Gpu) -> usize {
    let shape = matrix.shape();
    shape[shape.num_dims() - 1]
}

fn reshaped(x: Gpu, shape: Shape) -> Gpu {
    CubeBackend::float_reshape(x, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_equal_parts_that_are_not_tall() {
        assert_eq!(rows_at_once(32_768, 768), Some(2048));
        assert_eq!(rows_at_once(32_768, 64), Some(128));
        assert_eq!(rows_at_once(6 * 2048, 768), Some(2048));
        // Rows that nothing divides, or only few do, and results too narrow for a part of 32 rows.
        assert_eq!(rows_at_once(4099, 768), None);
        assert_eq!(rows_at_once(32 * 883, 768), None);
        assert_eq!(rows_at_once(4096, 8), None);
    }
}
