//! Where the time of the CPU's operations goes: off unless asked for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static ENABLED: AtomicBool = AtomicBool::new(false);
static ENTRIES: Mutex<BTreeMap<&'static str, Entry>> = Mutex::new(BTreeMap::new());

/// All calls of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Entry {
    /// How many.
    pub calls: usize,
    /// On all threads together.
    pub time: Duration,
    /// Floating-point operations of its matrix products, without those that a causal mask spares; 0 where
    /// there is none.
    pub flops: f64,
}

/// Begins to count, from nothing.
pub fn start() {
    ENTRIES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
    ENABLED.store(true, Ordering::Relaxed);
}

/// Ends counting; what was counted since [`start`], by operation.
pub fn stop() -> BTreeMap<&'static str, Entry> {
    ENABLED.store(false, Ordering::Relaxed);
    std::mem::take(&mut ENTRIES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Runs `f`, an `operation` of `flops`.
pub(crate) fn timed<R>(operation: &'static str, flops: f64, f: impl FnOnce() -> R) -> R {
    if !ENABLED.load(Ordering::Relaxed) {
        return f();
    }
    let began = Instant::now();
    let result = f();
    let time = began.elapsed();
    let mut entries = ENTRIES.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = entries.entry(operation).or_default();
    entry.calls += 1;
    entry.time += time;
    entry.flops += flops;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test: the counts are the process's.
    #[test]
    fn counts_between_start_and_stop_only() {
        timed("before", 1.0, || ());
        start();
        for _ in 0..3 {
            timed("slow", 2.0, || std::thread::sleep(Duration::from_millis(2)));
        }
        let entries = stop();
        timed("after", 1.0, || ());
        assert_eq!(entries.keys().copied().collect::<Vec<_>>(), ["slow"]);
        let slow = entries["slow"];
        assert_eq!((slow.calls, slow.flops.to_bits()), (3, 6.0f64.to_bits()));
        assert!(slow.time >= Duration::from_millis(6));
        assert!(stop().is_empty());
    }
}
