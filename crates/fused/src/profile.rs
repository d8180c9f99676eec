//! Where the time of the CPU's operations goes: off unless asked for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static ENABLED: AtomicBool = AtomicBool::new(false);
static ENTRIES: Mutex<Entries> = Mutex::new(BTreeMap::new());

/// By operation.
pub type Entries = BTreeMap<Operation, Entry>;

/// A kind of work that is counted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// What it does.
    pub name: &'static str,
    /// Rows, inputs and outputs of a matrix product; else zeros.
    pub product: [usize; 3],
}

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
pub fn stop() -> Entries {
    ENABLED.store(false, Ordering::Relaxed);
    std::mem::take(&mut ENTRIES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Runs `f`, an operation that does `flops` in matrix products of its own.
pub(crate) fn timed<R>(name: &'static str, flops: f64, f: impl FnOnce() -> R) -> R {
    let product = [0; 3];
    counted(Operation { name, product }, flops, f)
}

/// Runs `f`, a product of `[rows, inputs]` by `[inputs, outputs]` or one of its gradients.
pub(crate) fn timed_product<R>(
    name: &'static str,
    product: [usize; 3],
    f: impl FnOnce() -> R,
) -> R {
    let flops = 2.0 * product.map(|size| size as f64).iter().product::<f64>();
    counted(Operation { name, product }, flops, f)
}

fn counted<R>(operation: Operation, flops: f64, f: impl FnOnce() -> R) -> R {
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
        let names: Vec<_> = entries.keys().map(|operation| operation.name).collect();
        assert_eq!(names, ["slow"]);
        let slow = *entries.values().next().expect("one");
        assert_eq!((slow.calls, slow.flops.to_bits()), (3, 6.0f64.to_bits()));
        assert!(slow.time >= Duration::from_millis(6));
        assert!(stop().is_empty());

        start();
        timed_product("product", [2, 3, 5], || ());
        let entries = stop();
        let (operation, entry) = entries.first_key_value().expect("one");
        assert_eq!(operation.product, [2, 3, 5]);
        assert_eq!(entry.flops.to_bits(), 60.0f64.to_bits());
    }
}
