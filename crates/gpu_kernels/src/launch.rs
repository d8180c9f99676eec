//! What every launch needs: arguments, output buffers, and how many units do the work.

use cubecl::prelude::*;
use cubecl::server::Handle;
use cubecl::{CubeDim, calculate_cube_count_elemwise};

/// Elements of a vector.
const LANES: usize = 4;
/// Units of a cube at most: WebGPU guarantees no more.
const UNITS: usize = 256;
/// A cube below the width of a plane would leave some of the plane's units idle anyway.
const FEWEST_UNITS: usize = 32;

/// The element type of kernels whose buffers are always in single precision.
pub(crate) fn single() -> ElemType {
    f32::elem_type_native()
}

/// The first `length` elements of a buffer as an argument of a kernel.
///
/// # Panics
/// If the buffer is shorter, or longer than the kernels' 32-bit indices reach.
#[track_caller]
pub(crate) fn argument(name: &str, buffer: &Handle, length: usize, dtype: ElemType) -> BufferArg {
    assert!(
        u32::try_from(length).is_ok(),
        "{name}: {length} elements are more than 32-bit indices reach"
    );
    let held = buffer.size_in_used() as usize / dtype.size();
    assert!(
        held >= length,
        "{name}: a buffer of {held} elements, not {length}"
    );
    // SAFETY: the buffer is at least as long as the length given.
    unsafe { BufferArg::from_raw_parts(buffer.clone(), length) }
}

/// A new buffer of undefined content.
pub(crate) fn allocate(client: &Client, length: usize, dtype: ElemType) -> Handle {
    client.empty(length * dtype.size())
}

/// 4 where rows of `width` elements are whole vectors of 4, else 1.
pub(crate) fn vector_size(width: usize) -> usize {
    if width.is_multiple_of(LANES) {
        LANES
    } else {
        1
    }
}

/// Units of a cube that shares `work` pieces of work: a power of two, for the reductions.
pub(crate) fn units(client: &Client, work: usize) -> usize {
    let most = client.properties().hardware.max_units_per_cube as usize;
    let most = 1 << most.clamp(1, UNITS).ilog2();
    work.next_power_of_two().max(FEWEST_UNITS).min(most)
}

/// One dimension of `units`.
pub(crate) fn cube_dim(units: usize) -> CubeDim {
    CubeDim::new_1d(units as u32)
}

/// At least `cubes` cubes, spread over the dimensions of the grid where one is too short; the kernel
/// leaves out those beyond.
pub(crate) fn cubes(client: &Client, cubes: usize) -> CubeCount {
    calculate_cube_count_elemwise(client, cubes, cube_dim(1))
}

/// Cubes and their size for one unit of work a unit.
pub(crate) fn elementwise(client: &Client, work: usize) -> (CubeCount, CubeDim) {
    let dim = cube_dim(units(client, work));
    (calculate_cube_count_elemwise(client, work, dim), dim)
}
