//! The linker of the driver: PTX goes in, an image comes out.

use std::collections::HashMap;
use std::ffi::{c_char, c_uint, c_void};

use crate::driver::{self, Handle};
use crate::module;
use crate::ptx;
use crate::status::{
    INVALID_HANDLE, INVALID_IMAGE, INVALID_PTX, INVALID_VALUE, SUCCESS, Status, put,
};

/// Links that are under way.
#[derive(Default)]
pub struct Links {
    created: u64,
    states: HashMap<u64, Link>,
}

#[derive(Default)]
struct Link {
    log: Log,
    image: Vec<u8>,
}

/// Where the caller wants the assembler's words: an address and its bytes.
#[derive(Clone, Copy, Default)]
struct Log {
    address: usize,
    bytes: usize,
}

impl Log {
    /// Writes what fits of the words, and a final zero.
    ///
    /// # Safety
    /// The caller of `cuLinkCreate` keeps the buffer that it named until it destroys the link.
    unsafe fn write(self, words: &str) {
        let Some(room) = self.bytes.checked_sub(1).filter(|_| self.address != 0) else {
            return;
        };
        let count = words.len().min(room);
        let place = std::ptr::with_exposed_provenance_mut::<u8>(self.address);
        // SAFETY: the caller's promise; `count` and the zero fit.
        unsafe {
            place.copy_from_nonoverlapping(words.as_ptr(), count);
            place.add(count).write(0);
        }
    }
}

/// Reads the error log among the options of a link.
///
/// # Safety
/// Both arrays have `count` elements.
unsafe fn log_of(count: c_uint, options: *const c_uint, values: *const *mut c_void) -> Log {
    const ERROR_LOG_BUFFER: c_uint = 5;
    const ERROR_LOG_BUFFER_BYTES: c_uint = 6;
    let mut log = Log::default();
    for index in 0..count as usize {
        // SAFETY: the caller's promise.
        let (option, value) = unsafe { (*options.add(index), *values.add(index)) };
        match option {
            ERROR_LOG_BUFFER => log.address = value.expose_provenance(),
            ERROR_LOG_BUFFER_BYTES => log.bytes = value.addr(),
            _ => {}
        }
    }
    log
}

/// Begins a link.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkCreate_v2(
    count: c_uint,
    options: *const c_uint,
    values: *const *mut c_void,
    state: *mut Handle,
) -> Status {
    // SAFETY: the caller passes arrays of `count` elements.
    let log = unsafe { log_of(count, options, values) };
    let created = driver::with(|driver| {
        driver.links.created += 1;
        let link = Link {
            log,
            image: Vec::new(),
        };
        driver.links.states.insert(driver.links.created, link);
        driver.links.created
    });
    // SAFETY: the caller passes a place for it.
    unsafe { put(state, driver::handle(created)) }
}

/// Adds PTX to a link: it is assembled, where there is a `ptxas`. Other inputs are not stood in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkAddData_v2(
    state: Handle,
    kind: c_uint,
    data: *const c_void,
    bytes: usize,
    _name: *const c_char,
    _count: c_uint,
    _options: *const c_uint,
    _values: *const *mut c_void,
) -> Status {
    const PTX: c_uint = 1;
    if kind != PTX || data.is_null() {
        return INVALID_VALUE;
    }
    // SAFETY: the caller passes `bytes` bytes.
    let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), bytes) };
    let text = data.split(|&byte| byte == 0).next().unwrap_or_default();
    let Ok(text) = std::str::from_utf8(text) else {
        return INVALID_IMAGE;
    };
    // SAFETY: the link has the log of the caller of `cuLinkCreate`, who waits for this call.
    unsafe { add(driver::number(state), text) }
}

/// # Safety
/// The log of the link is still there.
unsafe fn add(state: u64, text: &str) -> Status {
    let log = driver::with(|driver| driver.links.states.get(&state).map(|link| link.log));
    let Some(log) = log else {
        return INVALID_HANDLE;
    };
    if let Err(words) = module::examine(text) {
        // SAFETY: the caller's promise.
        unsafe { log.write(&words) };
        return INVALID_PTX;
    }
    driver::with(|driver| {
        let link = driver.links.states.entry(state).or_default();
        link.image = ptx::image(text);
    });
    SUCCESS
}

/// Gives the image of a link, which lives as long as the link.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLinkComplete(
    state: Handle,
    image: *mut *mut c_void,
    bytes: *mut usize,
) -> Status {
    let made = driver::with(|driver| {
        let link = driver.links.states.get_mut(&driver::number(state))?;
        Some((link.image.as_mut_ptr(), link.image.len()))
    });
    let Some((start, length)) = made else {
        return INVALID_HANDLE;
    };
    // SAFETY: the caller passes a place for each.
    unsafe { put(image, start.cast()).max(put(bytes, length)) }
}

/// Ends a link and frees its image.
#[unsafe(no_mangle)]
pub extern "C" fn cuLinkDestroy(state: Handle) -> Status {
    driver::with(|driver| driver.links.states.remove(&driver::number(state)));
    SUCCESS
}

#[cfg(test)]
mod tests {
    use std::ptr::{null, null_mut};

    use super::*;

    #[test]
    fn ptx_comes_out_as_an_image_that_loads() {
        let (mut state, mut made, mut bytes) = (null_mut(), null_mut(), 0);
        let text = c".version 9.0\n.entry linked(\n)";
        // SAFETY: places are variables, the text has its length and zero, the link lives to the end.
        unsafe {
            assert_eq!(cuLinkCreate_v2(0, null(), null(), &raw mut state), SUCCESS);
            let data = text.as_ptr().cast();
            let length = text.to_bytes_with_nul().len();
            let added = cuLinkAddData_v2(state, 1, data, length, null(), 0, null(), null());
            assert_eq!(added, SUCCESS);
            let completed = cuLinkComplete(state, &raw mut made, &raw mut bytes);
            assert_eq!(completed, SUCCESS);
            let found = ptx::text_of(made);
            assert_eq!(found.as_deref(), text.to_str().ok());
        }
        assert_eq!(cuLinkDestroy(state), SUCCESS);
    }

    #[test]
    fn words_are_cut_to_the_log() {
        let mut buffer = [1u8; 6];
        let log = Log {
            address: buffer.as_mut_ptr().expose_provenance(),
            bytes: buffer.len(),
        };
        // SAFETY: the buffer has the bytes that are named.
        unsafe { log.write("unknown instruction") };
        assert_eq!(&buffer, b"unkno\0");
    }
}
