//! How kernels use the cores.

use std::cell::{Cell, RefCell};

use rayon::prelude::*;

/// Elements of one piece of work of an elementwise kernel: enough to be worth a core's while (some
/// microseconds), and small enough for its cache.
pub(crate) const BLOCK: usize = 16_384;

thread_local! {
    static SERIAL: Cell<bool> = const { Cell::new(false) };
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f`; kernels called by it on this thread stay on this thread.
///
/// For callers that keep the cores busy themselves, one piece of a batch on each.
pub fn serially<R>(f: impl FnOnce() -> R) -> R {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            SERIAL.set(self.0);
        }
    }
    let _reset = Reset(SERIAL.replace(true));
    f()
}

/// Whether the calling thread was told to stay alone.
fn is_serial() -> bool {
    SERIAL.get()
}

/// Rows of `width` elements in a piece of work, a number that depends on nothing else.
pub(crate) fn rows_per_block(width: usize) -> usize {
    (BLOCK / width.max(1)).max(1)
}

/// Calls `f` on every item, on all cores unless [`serially`] forbids it.
///
/// `f` must not depend on the order of calls: items may run in any.
pub(crate) fn for_each<T: Send>(items: Vec<T>, f: impl Fn(T) + Sync + Send) {
    if is_serial() || items.len() <= 1 {
        items.into_iter().for_each(f);
    } else {
        // Inside a worker, nested kernels see an unset flag: they may share the pool.
        items.into_par_iter().for_each(f);
    }
}

/// Results of `f` on every item, in the order of the items.
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    if is_serial() || items.len() <= 1 {
        items.into_iter().map(f).collect()
    } else {
        items.into_par_iter().map(f).collect()
    }
}

/// Calls `f` on a buffer of `length` elements that may hold anything.
///
/// The calling thread keeps the buffer for the next call: fresh memory costs a page fault every 4 kB,
/// which is more than a kernel's work on it. Inside `f`, a nested call gets a buffer of its own.
pub(crate) fn with_scratch<R>(length: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.take();
    if buffer.len() < length {
        buffer = vec![0.0; length];
    }
    let result = f(&mut buffer[..length]);
    SCRATCH.set(buffer);
    result
}
