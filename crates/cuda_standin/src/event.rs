//! Events, and the clock that they read.
//!
//! No time passes on a device that executes nothing. An autotuner takes the candidate with the shortest time
//! between two events, so the clock goes forward with each launch by an amount that depends on the launch
//! alone ([`launch_nanoseconds`]): the choice is arbitrary, and the same in every run.

use std::collections::HashMap;
use std::ffi::c_uint;
use std::sync::LazyLock;

use crate::driver::{self, Handle};
use crate::status::{INVALID_HANDLE, SUCCESS, Status, put, put_or};

/// All events and the clock.
#[derive(Default)]
pub struct Events {
    pub recorded: u64,
    nanoseconds: u64,
    created: u64,
    times: HashMap<u64, u64>,
}

impl Events {
    /// Lets time pass.
    pub fn advance(&mut self, nanoseconds: u64) {
        self.nanoseconds += nanoseconds;
    }

    fn create(&mut self) -> u64 {
        self.created += 1;
        self.times.insert(self.created, self.nanoseconds);
        self.created
    }

    fn record(&mut self, event: u64) -> Status {
        let Some(time) = self.times.get_mut(&event) else {
            return INVALID_HANDLE;
        };
        *time = self.nanoseconds;
        self.recorded += 1;
        SUCCESS
    }

    fn milliseconds(&self, start: u64, end: u64) -> Option<f32> {
        let time = |event: u64| self.times.get(&event).map(|&time| time as f64);
        Some(((time(end)? - time(start)?) / 1e6) as f32)
    }
}

/// What a launch moves the clock by: a fixed part, and a part for each thread that is a sixteenth for a
/// kernel with instructions for tensor cores. This is no estimate of a time. It makes an autotuner prefer
/// such kernels, as it does on the real device, and few threads among kernels of the same kind.
pub fn launch_nanoseconds(threads: u64, uses_tensor_cores: bool) -> u64 {
    const LAUNCH: u64 = 2_000;
    let threads = if uses_tensor_cores {
        threads.div_ceil(16)
    } else {
        threads
    };
    LAUNCH + threads
}

/// What a kernel moves the clock by with which `CubeCL` measures the speed of the device, if it is asked for by
/// `CUDA_STANDIN_TUNING=first`: so much that the device seems slow. Autotuning ends when a candidate comes
/// near the speed of the device, and so it ends with the first ones, which its authors expect to be the best.
pub fn probe_nanoseconds(kernel: &str) -> Option<u64> {
    const PROBE: u64 = 20_000_000;
    static IS_FIRST: LazyLock<bool> = LazyLock::new(|| {
        std::env::var("CUDA_STANDIN_TUNING").is_ok_and(|tuning| tuning == "first")
    });
    (*IS_FIRST && kernel.contains("_throughput_")).then_some(PROBE)
}

/// Creates an event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(event: *mut Handle, _flags: c_uint) -> Status {
    let created = driver::with(|driver| driver.events.create());
    // SAFETY: the caller passes a place for it.
    unsafe { put(event, driver::handle(created)) }
}

/// Destroys an event.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventDestroy_v2(event: Handle) -> Status {
    driver::with(|driver| driver.events.times.remove(&driver::number(event)));
    SUCCESS
}

/// Records an event: it reads the clock.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventRecord(event: Handle, _stream: Handle) -> Status {
    driver::with(|driver| driver.events.record(driver::number(event)))
}

/// Waits for an event, which has always happened; counted.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventSynchronize(_event: Handle) -> Status {
    driver::with(|driver| driver.synchronisations.event += 1);
    SUCCESS
}

/// Says that an event has happened.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventQuery(_event: Handle) -> Status {
    SUCCESS
}

/// Gives the milliseconds between two events, by the clock of this module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime(
    milliseconds: *mut f32,
    start: Handle,
    end: Handle,
) -> Status {
    let between = driver::with(|driver| {
        driver
            .events
            .milliseconds(driver::number(start), driver::number(end))
    });
    // SAFETY: the caller passes a place for it.
    unsafe { put_or(milliseconds, between, INVALID_HANDLE) }
}

/// The same, as CUDA 13 calls it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime_v2(
    milliseconds: *mut f32,
    start: Handle,
    end: Handle,
) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { cuEventElapsedTime(milliseconds, start, end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_what_launches_make_of_it() {
        let mut events = Events::default();
        let (start, end) = (events.create(), events.create());
        events.record(start);
        events.advance(launch_nanoseconds(1_000_000, false));
        events.advance(launch_nanoseconds(1_600_000, true));
        events.record(end);
        assert_eq!(events.milliseconds(start, end), Some(1.104));
        assert_eq!(events.milliseconds(start, 99), None);
        assert_eq!(events.record(99), INVALID_HANDLE);
    }
}
