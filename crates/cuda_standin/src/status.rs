//! What a driver function returns.

use std::ffi::{CStr, c_char};

/// `CUresult`.
pub type Status = u32;

/// The call did what was asked for.
pub const SUCCESS: Status = 0;
/// An argument is out of range.
pub const INVALID_VALUE: Status = 1;
/// The device has no memory left.
pub const OUT_OF_MEMORY: Status = 2;
/// There is no device of this number.
pub const INVALID_DEVICE: Status = 101;
/// An image is neither PTX nor one that this library made.
pub const INVALID_IMAGE: Status = 200;
/// The assembler does not take the PTX.
pub const INVALID_PTX: Status = 218;
/// A handle is of nothing that this library made.
pub const INVALID_HANDLE: Status = 400;
/// There is no symbol of this name.
pub const NOT_FOUND: Status = 500;
/// A launch needs more than the device has.
pub const LAUNCH_OUT_OF_RESOURCES: Status = 701;
/// This library does not stand in for the function.
pub const NOT_SUPPORTED: Status = 801;

/// Writes a result to where the caller wants it; a null pointer is an invalid value.
///
/// # Safety
/// `place` is null or valid for a write.
pub unsafe fn put<T>(place: *mut T, value: T) -> Status {
    if place.is_null() {
        return INVALID_VALUE;
    }
    // SAFETY: it is not null, and the caller vouches for the rest.
    unsafe { place.write(value) };
    SUCCESS
}

/// [`put`] of a value that may be missing, with the status to return if it is.
///
/// # Safety
/// `place` is null or valid for a write.
pub unsafe fn put_or<T>(place: *mut T, value: Option<T>, otherwise: Status) -> Status {
    match value {
        // SAFETY: the caller's promise.
        Some(value) => unsafe { put(place, value) },
        None => otherwise,
    }
}

/// The success of a check.
pub fn success_if(is_right: bool, otherwise: Status) -> Status {
    if is_right { SUCCESS } else { otherwise }
}

fn name(status: Status) -> &'static CStr {
    match status {
        SUCCESS => c"CUDA_SUCCESS",
        INVALID_VALUE => c"CUDA_ERROR_INVALID_VALUE",
        OUT_OF_MEMORY => c"CUDA_ERROR_OUT_OF_MEMORY",
        INVALID_DEVICE => c"CUDA_ERROR_INVALID_DEVICE",
        INVALID_IMAGE => c"CUDA_ERROR_INVALID_IMAGE",
        INVALID_PTX => c"CUDA_ERROR_INVALID_PTX",
        INVALID_HANDLE => c"CUDA_ERROR_INVALID_HANDLE",
        NOT_FOUND => c"CUDA_ERROR_NOT_FOUND",
        LAUNCH_OUT_OF_RESOURCES => c"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
        NOT_SUPPORTED => c"CUDA_ERROR_NOT_SUPPORTED",
        _ => c"an error that the CUDA stand-in does not know",
    }
}

/// Gives the name of a status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(status: Status, text: *mut *const c_char) -> Status {
    // SAFETY: the caller passes a place for the text, which is static.
    unsafe { put(text, name(status).as_ptr()) }
}

/// Gives a description of a status: here, its name again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(status: Status, text: *mut *const c_char) -> Status {
    // SAFETY: as above.
    unsafe { put(text, name(status).as_ptr()) }
}
