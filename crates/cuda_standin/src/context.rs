//! Contexts: the device has one, which is always current.

use std::ffi::{c_int, c_uint};

use crate::driver::{self, Handle};
use crate::status::{SUCCESS, Status, put};

const CONTEXT: u64 = 1;

/// Gives the device's context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut Handle, _device: c_int) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put(context, driver::handle(CONTEXT)) }
}

/// Gives the context back; it stays.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxRelease_v2(_device: c_int) -> Status {
    SUCCESS
}

/// Makes a context current: there is one only.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSetCurrent(_context: Handle) -> Status {
    SUCCESS
}

/// Gives the current context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(context: *mut Handle) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put(context, driver::handle(CONTEXT)) }
}

/// Gives the device of the current context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetDevice(device: *mut c_int) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { put(device, 0) }
}

/// Waits for all work of the context, of which there is none; counted.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSynchronize() -> Status {
    driver::with(|driver| driver.synchronisations.context += 1);
    SUCCESS
}

/// Gives the least and the greatest priority of a stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetStreamPriorityRange(
    least: *mut c_int,
    greatest: *mut c_int,
) -> Status {
    // SAFETY: the caller passes a place for each.
    unsafe { put(least, 0).max(put(greatest, -5)) }
}

/// Allows access to the memory of another device: there is none.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxEnablePeerAccess(_peer: Handle, _flags: c_uint) -> Status {
    SUCCESS
}
