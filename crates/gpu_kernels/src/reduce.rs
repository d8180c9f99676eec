//! Sums and maxima over the units of a cube, in shared memory: a tree of fixed shape, so the same bits
//! every time, and without the subgroup operations that some devices lack.

use cubecl::prelude::*;

/// Sum of every unit's `value`, lane by lane, given to all units.
///
/// `scratch` has an element for every unit, whose number is a power of two. All units of the cube must
/// call this.
#[cube]
pub(crate) fn sum_units<N: Size>(
    value: Vector<f32, N>,
    scratch: &mut Shared<[Vector<f32, N>]>,
) -> Vector<f32, N> {
    let unit = UNIT_POS as usize;
    scratch[unit] = value;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2;
    while half > 0 {
        if unit < half {
            let other = scratch[unit + half];
            scratch[unit] += other;
        }
        sync_cube();
        half /= 2;
    }
    let sum = scratch[0];
    // Nobody writes to the scratch again before all have read.
    sync_cube();
    sum
}

/// Largest of every unit's `value`, lane by lane, given to all units. As [`sum_units`].
#[cube]
pub(crate) fn max_units<N: Size>(
    value: Vector<f32, N>,
    scratch: &mut Shared<[Vector<f32, N>]>,
) -> Vector<f32, N> {
    let unit = UNIT_POS as usize;
    scratch[unit] = value;
    sync_cube();
    let mut half = CUBE_DIM as usize / 2;
    while half > 0 {
        if unit < half {
            let other = scratch[unit + half];
            scratch[unit] = max(scratch[unit], other);
        }
        sync_cube();
        half /= 2;
    }
    let largest = scratch[0];
    sync_cube();
    largest
}

/// Sum of a vector's elements.
#[cube]
pub(crate) fn sum_lanes<N: Size>(vector: Vector<f32, N>) -> f32 {
    let mut sum = vector.extract(0usize);
    #[unroll]
    for lane in 1..N::value() {
        sum += vector.extract(lane);
    }
    sum
}

/// Largest of a vector's elements.
#[cube]
pub(crate) fn max_lanes<N: Size>(vector: Vector<f32, N>) -> f32 {
    let mut largest = vector.extract(0usize);
    #[unroll]
    for lane in 1..N::value() {
        largest = max(largest, vector.extract(lane));
    }
    largest
}
