//! Streams, which have always done all they were given, and how often somebody waits for one.

use std::ffi::{c_int, c_uint};

use serde::Serialize;

use crate::driver::{self, Handle};
use crate::status::{SUCCESS, Status, put};

/// Waits of the host, and of streams for events.
#[derive(Default, Serialize)]
pub struct Synchronisations {
    pub stream: u64,
    pub event: u64,
    pub context: u64,
    /// A stream made to wait for an event: the host does not.
    pub stream_waits: u64,
}

/// Creates a stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(stream: *mut Handle, _flags: c_uint) -> Status {
    // 0, 1 and 2 are the default streams.
    const FIRST: u64 = 16;
    let number = driver::with(|driver| {
        driver.streams += 1;
        FIRST + driver.streams
    });
    // SAFETY: the caller passes a place for it.
    unsafe { put(stream, driver::handle(number)) }
}

/// Creates a stream; a priority makes no difference here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreateWithPriority(
    stream: *mut Handle,
    flags: c_uint,
    _priority: c_int,
) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { cuStreamCreate(stream, flags) }
}

/// Destroys a stream.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamDestroy_v2(_stream: Handle) -> Status {
    SUCCESS
}

/// Waits for a stream, which has nothing to do; counted.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamSynchronize(_stream: Handle) -> Status {
    driver::with(|driver| driver.synchronisations.stream += 1);
    SUCCESS
}

/// Says that a stream has done all it was given.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamQuery(_stream: Handle) -> Status {
    SUCCESS
}

/// Makes a stream wait for an event; counted.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamWaitEvent(_stream: Handle, _event: Handle, _flags: c_uint) -> Status {
    driver::with(|driver| driver.synchronisations.stream_waits += 1);
    SUCCESS
}
