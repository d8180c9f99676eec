//! Memory that a thread keeps from call to call.
//!
//! Fresh memory costs a page fault for every 4 KiB, which is a quarter of the time of a short backward
//! pass.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

thread_local! {
    static KEPT: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A slice of zeros at first, whose memory goes back to the thread when dropped.
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    /// `length` zeros, in memory that an earlier call left if there is enough.
    pub fn zeros(length: usize) -> Self {
        let mut values = KEPT.with_borrow_mut(|kept| best(kept, length));
        values.clear();
        if values.capacity() < length {
            return Self(vec![0.0; length]);
        }
        values.resize(length, 0.0);
        Self(values)
    }
}

/// Takes the least that holds `length`. If none does, takes the greatest, to be replaced: as many are
/// kept as were ever in use at once.
fn best(kept: &mut Vec<Vec<f32>>, length: usize) -> Vec<f32> {
    let sizes = || kept.iter().map(Vec::capacity).enumerate();
    let fitting = sizes()
        .filter(|&(_, size)| size >= length)
        .min_by_key(|&(_, size)| size);
    let chosen = fitting.or_else(|| sizes().max_by_key(|&(_, size)| size));
    chosen.map_or_else(Vec::new, |(index, _)| kept.swap_remove(index))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        // A thread that ends has dropped its store: then the memory is freed.
        let _ = KEPT.try_with(|kept| kept.borrow_mut().push(values));
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
