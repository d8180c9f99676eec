//! Copies and fills: counted, and made up where they go to the host.

use std::collections::BTreeMap;
use std::ffi::{c_uint, c_void};

use serde::Serialize;

use crate::driver::{self, Handle};
use crate::memory::{Address, Ledger};
use crate::status::{INVALID_VALUE, SUCCESS, Status};

/// Every byte that is read from the device. As f32 and as bf16 it makes 0.0115: finite and not zero, so
/// that a training loop goes on.
pub const FILLER: u8 = 0x3c;

/// Copies of one direction.
#[derive(Default, Serialize)]
pub struct Traffic {
    pub calls: u64,
    pub bytes: u64,
    /// Calls by the bytes of one.
    pub sizes: BTreeMap<u64, u64>,
}

impl Traffic {
    fn count(&mut self, bytes: u64) {
        self.calls += 1;
        self.bytes += bytes;
        *self.sizes.entry(bytes).or_default() += 1;
    }
}

/// All copies and fills.
#[derive(Default, Serialize)]
pub struct Copies {
    pub host_to_device: Traffic,
    pub device_to_host: Traffic,
    pub device_to_device: Traffic,
    pub fills: Traffic,
    /// Copies that a real device would refuse or fault on: outside of every allocation.
    pub outside: u64,
}

impl Copies {
    fn upload(&mut self, memory: &Ledger, target: Address, bytes: u64) -> Status {
        self.inside(memory, &[target], bytes, |copies| {
            &mut copies.host_to_device
        })
    }

    fn download(&mut self, memory: &Ledger, source: Address, bytes: u64) -> Status {
        self.inside(memory, &[source], bytes, |copies| {
            &mut copies.device_to_host
        })
    }

    fn on_device(
        &mut self,
        memory: &Ledger,
        target: Address,
        source: Address,
        bytes: u64,
    ) -> Status {
        self.inside(memory, &[target, source], bytes, |copies| {
            &mut copies.device_to_device
        })
    }

    fn fill(&mut self, memory: &Ledger, target: Address, bytes: u64) -> Status {
        self.inside(memory, &[target], bytes, |copies| &mut copies.fills)
    }

    fn inside(
        &mut self,
        memory: &Ledger,
        places: &[Address],
        bytes: u64,
        traffic: impl FnOnce(&mut Self) -> &mut Traffic,
    ) -> Status {
        if bytes > 0 && !places.iter().all(|&place| memory.holds(place, bytes)) {
            self.outside += 1;
            return INVALID_VALUE;
        }
        traffic(self).count(bytes);
        SUCCESS
    }
}

/// Copies to the device: counted, and not kept.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyHtoD_v2(target: Address, _source: *const c_void, bytes: usize) -> Status {
    driver::with(|driver| driver.copies.upload(&driver.memory, target, bytes as u64))
}

/// Copies to the device in the order of a stream.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyHtoDAsync_v2(
    target: Address,
    source: *const c_void,
    bytes: usize,
    _stream: Handle,
) -> Status {
    cuMemcpyHtoD_v2(target, source, bytes)
}

/// Copies to the host: counted; what arrives is made up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoH_v2(
    target: *mut c_void,
    source: Address,
    bytes: usize,
) -> Status {
    let status =
        driver::with(|driver| driver.copies.download(&driver.memory, source, bytes as u64));
    if status == SUCCESS {
        // SAFETY: the caller passes `bytes` bytes.
        unsafe { target.cast::<u8>().write_bytes(FILLER, bytes) };
    }
    status
}

/// Copies to the host in the order of a stream: here, at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    target: *mut c_void,
    source: Address,
    bytes: usize,
    _stream: Handle,
) -> Status {
    // SAFETY: the caller passes `bytes` bytes.
    unsafe { cuMemcpyDtoH_v2(target, source, bytes) }
}

/// Copies on the device.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoD_v2(target: Address, source: Address, bytes: usize) -> Status {
    driver::with(|driver| {
        driver
            .copies
            .on_device(&driver.memory, target, source, bytes as u64)
    })
}

/// Copies on the device in the order of a stream.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoDAsync_v2(
    target: Address,
    source: Address,
    bytes: usize,
    _stream: Handle,
) -> Status {
    cuMemcpyDtoD_v2(target, source, bytes)
}

const HOST: c_uint = 1;
const DEVICE: c_uint = 2;

/// `CUDA_MEMCPY2D`.
#[repr(C)]
pub struct Copy2d {
    source_x: usize,
    source_y: usize,
    source_type: c_uint,
    source_host: *const c_void,
    source_device: Address,
    source_array: Handle,
    source_pitch: usize,
    target_x: usize,
    target_y: usize,
    target_type: c_uint,
    target_host: *mut c_void,
    target_device: Address,
    target_array: Handle,
    target_pitch: usize,
    width: usize,
    height: usize,
}

impl Copy2d {
    /// Bytes from the first to the last of the copy on a side of this pitch.
    fn extent(&self, pitch: usize) -> u64 {
        let rows_before = self.height.saturating_sub(1);
        (rows_before * pitch + self.width) as u64
    }

    fn source(&self) -> Address {
        self.source_device + (self.source_y * self.source_pitch + self.source_x) as u64
    }

    fn target(&self) -> Address {
        self.target_device + (self.target_y * self.target_pitch + self.target_x) as u64
    }

    /// Counts the bytes that are copied, if both sides lie in allocations.
    fn count(&self, copies: &mut Copies, memory: &Ledger) -> Status {
        let on_device = |side: c_uint, place: Address, pitch: usize| {
            side == HOST || memory.holds(place, self.extent(pitch))
        };
        if !on_device(self.source_type, self.source(), self.source_pitch)
            || !on_device(self.target_type, self.target(), self.target_pitch)
        {
            copies.outside += 1;
            return INVALID_VALUE;
        }
        let traffic = match (self.source_type, self.target_type) {
            (HOST, DEVICE) => &mut copies.host_to_device,
            (DEVICE, HOST) => &mut copies.device_to_host,
            (DEVICE, DEVICE) => &mut copies.device_to_device,
            _ => return INVALID_VALUE,
        };
        traffic.count((self.width * self.height) as u64);
        SUCCESS
    }

    /// Makes up the rows that arrive on the host.
    ///
    /// # Safety
    /// The target is memory of the host with room for all rows.
    unsafe fn fill(&self) {
        let first = self.target_y * self.target_pitch + self.target_x;
        for row in 0..self.height {
            let target = self
                .target_host
                .cast::<u8>()
                .wrapping_add(first + row * self.target_pitch);
            // SAFETY: the caller's promise.
            unsafe { target.write_bytes(FILLER, self.width) };
        }
    }
}

/// Copies a rectangle between host and device or on the device; arrays are not stood in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpy2DAsync_v2(copy: *const Copy2d, _stream: Handle) -> Status {
    // SAFETY: the caller passes a description, or null.
    let Some(copy) = (unsafe { copy.as_ref() }) else {
        return INVALID_VALUE;
    };
    let status = driver::with(|driver| copy.count(&mut driver.copies, &driver.memory));
    if status == SUCCESS && copy.target_type == HOST {
        // SAFETY: the caller describes memory that it has.
        unsafe { copy.fill() };
    }
    status
}

/// Sets bytes.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8_v2(target: Address, _value: u8, count: usize) -> Status {
    driver::with(|driver| driver.copies.fill(&driver.memory, target, count as u64))
}

/// Sets bytes in the order of a stream.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8Async(
    target: Address,
    value: u8,
    count: usize,
    _stream: Handle,
) -> Status {
    cuMemsetD8_v2(target, value, count)
}

/// Sets words of 32 bits in the order of a stream.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD32Async(
    target: Address,
    _value: c_uint,
    count: usize,
    _stream: Handle,
) -> Status {
    driver::with(|driver| driver.copies.fill(&driver.memory, target, 4 * count as u64))
}

#[cfg(test)]
mod tests {
    use std::ptr::{null, null_mut};

    use super::*;
    use crate::memory::cuMemAlloc_v2;

    fn allocated(bytes: usize) -> Address {
        let mut address = 0;
        // SAFETY: the place is a variable.
        assert_eq!(unsafe { cuMemAlloc_v2(&raw mut address, bytes) }, SUCCESS);
        address
    }

    #[test]
    fn what_is_read_is_finite_and_not_zero() {
        let source = allocated(8);
        let mut values = [0.0f32; 2];
        // SAFETY: there are eight bytes.
        let status = unsafe { cuMemcpyDtoH_v2(values.as_mut_ptr().cast(), source, 8) };
        assert_eq!(status, SUCCESS);
        assert!(values.iter().all(|x| (0.01..0.012).contains(x)));
    }

    #[test]
    fn a_copy_outside_of_an_allocation_is_refused() {
        let target = allocated(8);
        assert_eq!(cuMemcpyHtoD_v2(target, null(), 8), SUCCESS);
        assert_eq!(cuMemcpyHtoD_v2(target, null(), 9), INVALID_VALUE);
        assert_eq!(cuMemcpyDtoD_v2(target, 1, 8), INVALID_VALUE);
    }

    #[test]
    fn a_rectangle_counts_its_bytes_and_fills_its_rows() {
        let mut memory = Ledger::default();
        let source = memory.allocate(512 + 4).expect("room");
        let mut rows = [0u8; 8];
        let copy = Copy2d {
            source_x: 0,
            source_y: 0,
            source_type: DEVICE,
            source_host: null(),
            source_device: source,
            source_array: null_mut(),
            source_pitch: 512,
            target_x: 0,
            target_y: 0,
            target_type: HOST,
            target_host: rows.as_mut_ptr().cast(),
            target_device: 0,
            target_array: null_mut(),
            target_pitch: 4,
            width: 3,
            height: 2,
        };
        let mut copies = Copies::default();
        let outside = copy.count(&mut copies, &Ledger::default());
        assert_eq!((outside, copies.outside), (INVALID_VALUE, 1));
        let status = copy.count(&mut copies, &memory);
        assert_eq!((status, copies.device_to_host.bytes), (SUCCESS, 6));
        // SAFETY: the target has two rows of four bytes.
        unsafe { copy.fill() };
        assert_eq!(rows, [60, 60, 60, 0, 60, 60, 60, 0]);
    }
}
