//! Tensor maps: checked as the driver checks them, and filled with zeros, because nothing reads them.

use std::ffi::{c_int, c_uint, c_void};

use crate::driver;
use crate::status::{INVALID_VALUE, Status, put, success_if};

/// `CUtensorMap`.
#[repr(C, align(64))]
pub struct TensorMap([u64; 16]);

/// Bytes of an element by `CUtensorMapDataType`.
fn element_bytes(kind: c_uint) -> u64 {
    match kind {
        0 => 1,
        1 | 6 | 9 => 2,
        4 | 5 | 8 => 8,
        _ => 4,
    }
}

/// What all kinds of maps have.
#[derive(Debug)]
struct Tensor {
    address: u64,
    dimensions: Vec<u64>,
    /// In bytes, of all dimensions but the first.
    strides: Vec<u64>,
    element_strides: Vec<u32>,
}

impl Tensor {
    /// # Safety
    /// The arrays have `rank` elements, and strides one less; a rank that is out of range is not read for.
    unsafe fn new(
        rank: c_uint,
        address: *const c_void,
        dimensions: *const u64,
        strides: *const u64,
        element_strides: *const u32,
    ) -> Option<Self> {
        if !(1..=5).contains(&rank) {
            return None;
        }
        let rank = rank as usize;
        // SAFETY: the caller's promise.
        unsafe {
            Some(Self {
                address: address.addr() as u64,
                dimensions: array(dimensions, rank),
                strides: array(strides, rank - 1),
                element_strides: array(element_strides, rank),
            })
        }
    }

    fn is_valid(&self) -> bool {
        let dimensions = self.dimensions.iter().all(|&n| (1..=1 << 32).contains(&n));
        let strides = self
            .strides
            .iter()
            .all(|&bytes| bytes.is_multiple_of(16) && bytes < 1 << 40);
        let steps = self
            .element_strides
            .iter()
            .all(|step| (1..=8).contains(step));
        self.address.is_multiple_of(16) && dimensions && strides && steps
    }
}

/// # Safety
/// `data` has `count` elements.
unsafe fn array<T: Copy>(data: *const T, count: usize) -> Vec<T> {
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data, count) }.to_vec()
}

/// Whether the first dimension of a box fits the pattern that shared memory is written in.
fn fits_swizzle(row_bytes: u64, interleave: c_uint, swizzle: c_uint) -> bool {
    const NO_INTERLEAVE: c_uint = 0;
    let most = match swizzle {
        0 => u64::MAX,
        1 => 32,
        2 => 64,
        _ => 128,
    };
    interleave != NO_INTERLEAVE || (row_bytes.is_multiple_of(16) && row_bytes <= most)
}

fn write(place: *mut TensorMap, is_valid: bool, described: impl FnOnce() -> String) -> Status {
    if !is_valid {
        driver::with(|driver| {
            driver.tensor_maps_refused += 1;
            driver.kernels.refuse_map(&described());
        });
        return INVALID_VALUE;
    }
    driver::with(|driver| driver.tensor_maps += 1);
    // SAFETY: the callers are driver functions, whose caller passes a place for the map.
    unsafe { put(place, TensorMap([0; 16])) }
}

/// Describes a tensor whose boxes are copied to shared memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuTensorMapEncodeTiled(
    map: *mut TensorMap,
    kind: c_uint,
    rank: c_uint,
    address: *const c_void,
    dimensions: *const u64,
    strides: *const u64,
    box_dimensions: *const u32,
    element_strides: *const u32,
    interleave: c_uint,
    swizzle: c_uint,
    _promotion: c_uint,
    _fill: c_uint,
) -> Status {
    // SAFETY: the caller passes arrays of this rank.
    let tensor = unsafe { Tensor::new(rank, address, dimensions, strides, element_strides) };
    let Some(tensor) = tensor else {
        return INVALID_VALUE;
    };
    // SAFETY: as above; the rank is in range.
    let sizes = unsafe { array(box_dimensions, rank as usize) };
    let row_bytes = u64::from(sizes[0]) * element_bytes(kind);
    let is_valid = tensor.is_valid()
        && sizes.iter().all(|size| (1..=256).contains(size))
        && fits_swizzle(row_bytes, interleave, swizzle);
    write(map, is_valid, || {
        format!("{tensor:?}, box {sizes:?}, swizzle {swizzle}")
    })
}

/// Describes a tensor whose patches of an image are copied to shared memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuTensorMapEncodeIm2col(
    map: *mut TensorMap,
    _kind: c_uint,
    rank: c_uint,
    address: *const c_void,
    dimensions: *const u64,
    strides: *const u64,
    _lower: *const c_int,
    _upper: *const c_int,
    channels: c_uint,
    pixels: c_uint,
    element_strides: *const u32,
    _interleave: c_uint,
    _swizzle: c_uint,
    _promotion: c_uint,
    _fill: c_uint,
) -> Status {
    // SAFETY: the caller passes arrays of this rank.
    let tensor = unsafe { Tensor::new(rank, address, dimensions, strides, element_strides) };
    let is_tensor = tensor.as_ref().is_some_and(Tensor::is_valid);
    let is_valid = is_tensor && rank >= 3 && channels <= 256 && pixels <= 1024;
    write(map, is_valid, || {
        format!("{tensor:?}, {channels} channels, {pixels} pixels")
    })
}

/// Describes a tensor whose wide patches are copied: the device that is stood in for has no such copy.
#[unsafe(no_mangle)]
pub extern "C" fn cuTensorMapEncodeIm2colWide(_map: *mut TensorMap) -> Status {
    success_if(false, INVALID_VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::SUCCESS;

    /// A matrix of bf16 with 768 columns.
    fn encode(address: usize, stride: u64, columns: u32, swizzle: c_uint) -> Status {
        let mut map = TensorMap([1; 16]);
        // SAFETY: the arrays have two elements, strides have one.
        unsafe {
            cuTensorMapEncodeTiled(
                &raw mut map,
                9,
                2,
                std::ptr::without_provenance(address),
                [768, 32].as_ptr(),
                [stride].as_ptr(),
                [columns, 16].as_ptr(),
                [1, 1].as_ptr(),
                0,
                swizzle,
                0,
                0,
            )
        }
    }

    #[test]
    fn a_map_is_checked_as_the_driver_does() {
        assert_eq!(encode(512, 1536, 64, 3), SUCCESS);
        assert_eq!(encode(520, 1536, 64, 3), INVALID_VALUE);
        assert_eq!(encode(512, 1538, 64, 3), INVALID_VALUE);
        assert_eq!(encode(512, 1536, 128, 3), INVALID_VALUE);
        assert_eq!(encode(512, 1536, 257, 0), INVALID_VALUE);
        driver::with(|driver| {
            assert!(driver.tensor_maps_refused >= 4);
            assert!(
                driver
                    .kernels
                    .refusals
                    .iter()
                    .any(|words| words.contains("box [257, 16]"))
            );
        });
    }
}
