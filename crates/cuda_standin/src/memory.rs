//! Memory: addresses that nothing is behind, and how many bytes they stand for.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{c_uint, c_void};

use serde::Serialize;

use crate::device::MEMORY_BYTES;
use crate::driver::{self, Handle};
use crate::status::{INVALID_VALUE, OUT_OF_MEMORY, SUCCESS, Status, put, put_or, success_if};

/// `CUdeviceptr`.
pub type Address = u64;

/// What `cuMemAlloc` aligns to.
const ALIGNMENT: u64 = 512;
/// Where addresses begin: outside of what a process can map, so that touching one is a fault at once.
const FIRST: Address = 0x0100_0000_0000_0000;

/// Allocations over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    pub calls: u64,
    pub bytes: u64,
    pub frees: u64,
    pub live: u64,
    pub peak: u64,
}

impl Usage {
    fn grow(&mut self, bytes: u64) {
        self.calls += 1;
        self.bytes += bytes;
        self.live += bytes;
        self.peak = self.peak.max(self.live);
    }

    fn shrink(&mut self, bytes: u64) {
        self.frees += 1;
        self.live -= bytes;
    }
}

/// The device's allocations.
#[derive(Default)]
pub struct Ledger {
    usage: Usage,
    sizes: BTreeMap<Address, u64>,
    /// Bytes from [`FIRST`] on that were ever given out: addresses are not used again.
    given: u64,
}

impl Ledger {
    /// How much there was and is.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// A new address, or none where the device would have no memory left.
    pub fn allocate(&mut self, bytes: u64) -> Option<Address> {
        if self.usage.live.checked_add(bytes)? > MEMORY_BYTES {
            return None;
        }
        let address = FIRST + self.given;
        self.given += bytes.next_multiple_of(ALIGNMENT);
        self.sizes.insert(address, bytes);
        self.usage.grow(bytes);
        Some(address)
    }

    fn free(&mut self, address: Address) -> bool {
        let Some(bytes) = self.sizes.remove(&address) else {
            return false;
        };
        self.usage.shrink(bytes);
        true
    }

    /// Whether `bytes` from `address` on lie in one allocation.
    pub fn holds(&self, address: Address, bytes: u64) -> bool {
        let before = self.sizes.range(..=address).next_back();
        before.is_some_and(|(first, size)| {
            let end = address.checked_add(bytes);
            end.is_some_and(|end| end <= first + size)
        })
    }
}

/// Pinned memory of the host, which is real.
#[derive(Default)]
pub struct Pinned {
    usage: Usage,
    layouts: HashMap<usize, Layout>,
}

impl Pinned {
    /// How much there was and is.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    fn allocate(&mut self, bytes: usize) -> Option<*mut c_void> {
        const PAGE: usize = 4096;
        let layout = Layout::from_size_align(bytes, PAGE).ok()?;
        if bytes == 0 {
            return None;
        }
        // SAFETY: the size is not zero.
        let pointer = unsafe { alloc_zeroed(layout) };
        if pointer.is_null() {
            return None;
        }
        self.layouts.insert(pointer.addr(), layout);
        self.usage.grow(bytes as u64);
        Some(pointer.cast())
    }

    fn free(&mut self, pointer: *mut c_void) -> bool {
        let Some(layout) = self.layouts.remove(&pointer.addr()) else {
            return false;
        };
        self.usage.shrink(layout.size() as u64);
        // SAFETY: the pointer came from `allocate` with this layout and was not freed since.
        unsafe { dealloc(pointer.cast(), layout) };
        true
    }
}

/// Allocates memory of the device: an address, counted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(address: *mut Address, bytes: usize) -> Status {
    if bytes == 0 {
        return INVALID_VALUE;
    }
    let allocated = driver::with(|driver| driver.memory.allocate(bytes as u64));
    // SAFETY: the caller passes a place for it.
    unsafe { put_or(address, allocated, OUT_OF_MEMORY) }
}

/// Allocates in the order of a stream: here, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocAsync(
    address: *mut Address,
    bytes: usize,
    _stream: Handle,
) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { cuMemAlloc_v2(address, bytes) }
}

/// Frees memory of the device.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFree_v2(address: Address) -> Status {
    let freed = address == 0 || driver::with(|driver| driver.memory.free(address));
    success_if(freed, INVALID_VALUE)
}

/// Frees in the order of a stream: here, at once.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFreeAsync(address: Address, _stream: Handle) -> Status {
    cuMemFree_v2(address)
}

/// Allocates pinned memory of the host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocHost_v2(pointer: *mut *mut c_void, bytes: usize) -> Status {
    let allocated = driver::with(|driver| driver.pinned.allocate(bytes));
    // SAFETY: the caller passes a place for it.
    unsafe { put_or(pointer, allocated, OUT_OF_MEMORY) }
}

/// Allocates pinned memory of the host, with flags that make no difference here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostAlloc(
    pointer: *mut *mut c_void,
    bytes: usize,
    _flags: c_uint,
) -> Status {
    // SAFETY: the caller passes a place for it.
    unsafe { cuMemAllocHost_v2(pointer, bytes) }
}

/// Frees pinned memory of the host.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFreeHost(pointer: *mut c_void) -> Status {
    let freed = driver::with(|driver| driver.pinned.free(pointer));
    success_if(freed, INVALID_VALUE)
}

/// Gives the free and the total bytes of the device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Status {
    let live = driver::with(|driver| driver.memory.usage().live);
    // SAFETY: the caller passes a place for each.
    unsafe {
        let given = put(free, (MEMORY_BYTES - live) as usize);
        if given == SUCCESS {
            put(total, MEMORY_BYTES as usize)
        } else {
            given
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_aligned_apart_and_counted() {
        let mut ledger = Ledger::default();
        let first = ledger.allocate(1000).expect("room");
        let second = ledger.allocate(24).expect("room");
        assert_eq!(first % ALIGNMENT, 0);
        assert_eq!(second, first + 1024);
        assert!(ledger.free(first));
        assert!(!ledger.free(first));
        let expected = Usage {
            calls: 2,
            bytes: 1024,
            frees: 1,
            live: 24,
            peak: 1024,
        };
        assert_eq!(ledger.usage(), expected);
    }

    #[test]
    fn the_device_has_an_end() {
        let mut ledger = Ledger::default();
        let all = ledger.allocate(MEMORY_BYTES).expect("room");
        assert_eq!(ledger.allocate(1), None);
        assert!(ledger.free(all));
        assert!(ledger.allocate(1).is_some());
        assert_eq!(ledger.allocate(u64::MAX), None);
    }

    #[test]
    fn a_stretch_lies_in_one_allocation_or_not() {
        let mut ledger = Ledger::default();
        let first = ledger.allocate(1000).expect("room");
        ledger.allocate(1000).expect("room");
        assert!(ledger.holds(first + 600, 400));
        assert!(!ledger.holds(first + 600, 401));
        assert!(!ledger.holds(first - 1, 1));
        assert!(!ledger.holds(first, u64::MAX));
    }

    #[test]
    fn pinned_memory_is_real() {
        let mut pinned = Pinned::default();
        let pointer = pinned.allocate(16).expect("memory");
        // SAFETY: there are 16 bytes.
        unsafe { pointer.cast::<u8>().add(15).write(1) };
        assert!(pinned.free(pointer));
        assert!(!pinned.free(pointer));
        assert_eq!(pinned.allocate(0), None);
    }
}
