//! The device that is stood in for: an H100 SXM5 with 80 GB.

use std::ffi::{c_char, c_int, c_uint};

use crate::driver;
use crate::report;
use crate::status::{INVALID_DEVICE, INVALID_VALUE, SUCCESS, Status, put, put_or};

/// Its name, which no cache of results can confuse with a real one.
pub const NAME: &str = "NVIDIA H100 80GB HBM3 (stand-in, executes nothing)";
/// The driver's version: CUDA 13.0, whose PTX is 9.0.
const DRIVER_VERSION: c_int = 13_000;
/// Bytes of memory as the real device reports them.
pub const MEMORY_BYTES: u64 = 85_029_158_912;
/// Most threads of a block.
pub const MAX_BLOCK_THREADS: u64 = 1024;
/// Most threads of a block along each axis.
pub const MAX_BLOCK: [u32; 3] = [1024, 1024, 64];
/// Most blocks of a grid along each axis.
pub const MAX_GRID: [u32; 3] = [i32::MAX as u32, 65_535, 65_535];
/// Shared memory of a block without asking.
pub const SHARED_BYTES: u64 = 49_152;
/// Shared memory of a block that a function may ask for.
pub const SHARED_BYTES_OPT_IN: u64 = 232_448;
/// Registers of a multiprocessor.
pub const REGISTERS: u64 = 65_536;

/// Values by the number of the `CUdevice_attribute`.
const VALUES: [(c_uint, u32); 35] = [
    (1, MAX_BLOCK_THREADS as u32),
    (2, MAX_BLOCK[0]),
    (3, MAX_BLOCK[1]),
    (4, MAX_BLOCK[2]),
    (5, MAX_GRID[0]),
    (6, MAX_GRID[1]),
    (7, MAX_GRID[2]),
    (8, SHARED_BYTES as u32),
    (9, 65_536),            // bytes of constant memory
    (10, 32),               // threads of a warp
    (11, i32::MAX as u32),  // pitch of a copy
    (12, REGISTERS as u32), // of a block
    (13, 1_980_000),        // clock in kHz
    (14, 512),              // alignment of textures
    (16, 132),              // multiprocessors
    (36, 2_619_000),        // clock of the memory in kHz
    (37, 5_120),            // bits of its bus
    (38, 50 << 20),         // bytes of L2
    (39, 2_048),            // threads of a multiprocessor
    (40, 3),                // copy engines
    (51, 32),               // alignment of the pitch of textures
    (75, 9),                // compute capability 9
    (76, 0),                // .0
    (81, 233_472),          // shared memory of a multiprocessor
    (82, REGISTERS as u32), // of a multiprocessor
    (87, 2),                // double precision has half the speed of single
    (97, SHARED_BYTES_OPT_IN as u32),
    (106, 32),          // blocks of a multiprocessor
    (108, 32_768_000),  // bytes of L2 that may persist
    (109, 134_213_632), // bytes of an access policy window
    (111, 1_024),       // shared memory that the driver keeps of a block
    (119, 9),           // kinds of handles of memory pools
    (126, 4),           // memory synchronisation domains
    (130, 0),           // memory is no node of the host
    (20, 0),            // any number of contexts
];

/// What it can do, by the same numbers: overlap copies, map host memory, run kernels side by side, correct
/// memory errors, address all memory alike, order streams, cache in L1, manage memory, launch cooperatively
/// and in clusters, keep memory pools, use tensor maps, and more.
const ABLE: [c_uint; 41] = [
    15, 19, 31, 32, 41, 78, 79, 80, 83, 86, 89, 90, 91, 95, 96, 98, 99, 102, 103, 107, 110, 112,
    113, 114, 115, 116, 117, 120, 121, 122, 123, 124, 125, 127, 128, 129, 132, 141, 142, 143, 145,
];

/// The value of an attribute: 0, which says "no" or "none", for what is in neither table.
fn attribute(asked: c_uint) -> c_int {
    let value = VALUES.iter().find(|(number, _)| *number == asked);
    value.map_or_else(
        || c_int::from(ABLE.contains(&asked)),
        |(_, value)| *value as c_int,
    )
}

/// Initialises the library. Here it also sees to it that the report is written at the end of the process.
#[unsafe(no_mangle)]
pub extern "C" fn cuInit(_flags: c_uint) -> Status {
    driver::with(|_| ());
    report::write_at_exit();
    SUCCESS
}

/// Gives the driver's version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put(version, DRIVER_VERSION) }
}

/// Gives the number of devices: one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put(count, 1) }
}

/// Gives the device of an index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut c_int, index: c_int) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put_or(device, (index == 0).then_some(0), INVALID_DEVICE) }
}

/// Gives an attribute of the device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(
    value: *mut c_int,
    asked: c_uint,
    _device: c_int,
) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put(value, attribute(asked)) }
}

/// Gives the name of the device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(
    text: *mut c_char,
    length: c_int,
    _device: c_int,
) -> Status {
    // SAFETY: the caller passes `length` bytes.
    unsafe { put_text(text, length, NAME) }
}

/// Gives the device's address on the bus.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetPCIBusId(
    text: *mut c_char,
    length: c_int,
    _device: c_int,
) -> Status {
    // SAFETY: the caller passes `length` bytes.
    unsafe { put_text(text, length, "0000:1B:00.0") }
}

/// Writes a text and its final zero, cut to what fits.
///
/// # Safety
/// `place` is valid for writes of `length` bytes.
unsafe fn put_text(place: *mut c_char, length: c_int, text: &str) -> Status {
    let Some(room) = usize::try_from(length).ok().and_then(|n| n.checked_sub(1)) else {
        return INVALID_VALUE;
    };
    let count = text.len().min(room);
    // SAFETY: `count` and the zero are within the caller's `length` bytes.
    unsafe {
        place.copy_from_nonoverlapping(text.as_ptr().cast(), count);
        place.add(count).write(0);
    }
    SUCCESS
}

/// Gives the bytes of memory of the device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, _device: c_int) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put(bytes, MEMORY_BYTES as usize) }
}

/// Gives an identifier of the device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], _device: c_int) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put(uuid, *b"cuda stand-in  0") }
}

/// Says whether a device reaches the memory of another: there is one only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceCanAccessPeer(
    can: *mut c_int,
    _device: c_int,
    _peer: c_int,
) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put(can, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_as_an_h100() {
        assert_eq!((attribute(75), attribute(76)), (9, 0));
        assert_eq!(attribute(16), 132);
        assert_eq!(attribute(97), 227 * 1024);
        assert_eq!((attribute(120), attribute(18)), (1, 0));
        assert_eq!(attribute(10_000), 0);
    }

    #[test]
    fn a_name_is_cut_to_what_fits() {
        let mut text: [c_char; 7] = [1; 7];
        // SAFETY: the buffer has the length that is passed.
        assert_eq!(unsafe { cuDeviceGetName(text.as_mut_ptr(), 7, 0) }, SUCCESS);
        assert_eq!(text.map(|c| c as u8), *b"NVIDIA\0");
        // SAFETY: nothing is written for no length.
        let refused = unsafe { cuDeviceGetName(text.as_mut_ptr(), 0, 0) };
        assert_eq!(refused, INVALID_VALUE);
    }
}
