//! The state behind all functions: one device, as it would be after the calls so far.

use std::ffi::c_void;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use crate::copy::Copies;
use crate::event::Events;
use crate::launch::Kernels;
use crate::link::Links;
use crate::memory::{Ledger, Pinned};
use crate::module::Modules;
use crate::report;
use crate::stream::Synchronisations;

/// `CUcontext`, `CUstream`, `CUevent`, `CUmodule`, `CUfunction`, ...: a number in the place of a pointer.
pub type Handle = *mut c_void;

/// Everything that is counted or has a handle.
pub struct Driver {
    pub began: Instant,
    pub memory: Ledger,
    pub pinned: Pinned,
    pub copies: Copies,
    pub events: Events,
    pub synchronisations: Synchronisations,
    pub links: Links,
    pub modules: Modules,
    pub kernels: Kernels,
    pub tensor_maps: u64,
    pub tensor_maps_refused: u64,
    pub streams: u64,
    pub first_launch_seconds: Option<f64>,
    calls: u64,
}

static DRIVER: LazyLock<Mutex<Driver>> = LazyLock::new(|| {
    Mutex::new(Driver {
        began: Instant::now(),
        memory: Ledger::default(),
        pinned: Pinned::default(),
        copies: Copies::default(),
        events: Events::default(),
        synchronisations: Synchronisations::default(),
        links: Links::default(),
        modules: Modules::default(),
        kernels: Kernels::default(),
        tensor_maps: 0,
        tensor_maps_refused: 0,
        streams: 0,
        first_launch_seconds: None,
        calls: 0,
    })
});

/// Does something with the state, and writes the report now and then, in case the process is killed.
pub fn with<R>(act: impl FnOnce(&mut Driver) -> R) -> R {
    const CALLS_BETWEEN_REPORTS: u64 = 1 << 14;
    let mut driver = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
    let result = act(&mut driver);
    driver.calls += 1;
    if driver.calls.is_multiple_of(CALLS_BETWEEN_REPORTS) {
        report::write(&driver);
    }
    result
}

/// The handle of a number.
pub fn handle(number: u64) -> Handle {
    std::ptr::without_provenance_mut(number as usize)
}

/// The number of a handle.
pub fn number(handle: Handle) -> u64 {
    handle.addr() as u64
}
