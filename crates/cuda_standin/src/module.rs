//! Modules: PTX that was looked at, and the functions in it.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_uint, c_void};
use std::sync::Arc;

use serde::Serialize;

use crate::driver::{self, Handle};
use crate::launch::Function;
use crate::memory::Address;
use crate::ptx;
use crate::ptxas::{self, Assembly};
use crate::report;
use crate::status::{
    INVALID_HANDLE, INVALID_IMAGE, INVALID_PTX, INVALID_VALUE, NOT_FOUND, SUCCESS, Status, put,
    put_or,
};

/// A text that was looked at.
pub struct Module {
    pub names: Vec<String>,
    pub uses_tensor_cores: bool,
    pub assembly: Assembly,
}

/// All modules.
#[derive(Default)]
pub struct Modules {
    pub counts: Counts,
    /// By the SHA-256 of the text; the words of `ptxas` where it was rejected.
    examined: HashMap<String, Result<Arc<Module>, String>>,
    loaded: Vec<Arc<Module>>,
}

/// What happened to modules.
#[derive(Default, Serialize)]
pub struct Counts {
    /// Different texts.
    pub examined: u64,
    /// Of these, the ones that `ptxas` took, in this process or, as its cache says, in an earlier one.
    pub assembled: u64,
    pub from_cache: u64,
    pub rejected: u64,
    pub loaded: u64,
    /// Of all runs of `ptxas`, which are side by side.
    pub ptxas_seconds: f64,
    pub warnings: Vec<String>,
}

/// Looks at a text, once for each: its kernels are known to the report from then on.
///
/// # Errors
/// The words of `ptxas`, where it rejects the text.
pub fn examine(text: &str) -> Result<Arc<Module>, String> {
    let digest = ptx::digest(text);
    if let Some(known) = driver::with(|driver| driver.modules.examined.get(&digest).cloned()) {
        return known;
    }
    // Not under the lock: threads assemble side by side.
    let outcome = ptxas::assemble(text, &digest);
    if let Err(words) = &outcome.assembly {
        report::keep_rejected(&digest, text, words);
    }
    let assembled = outcome.assembly.map(|assembly| {
        Arc::new(Module {
            names: ptx::entries(text),
            uses_tensor_cores: ptx::uses_tensor_cores(text),
            assembly,
        })
    });
    if let Ok(module) = &assembled
        && let Some(name) = module.names.first()
    {
        report::keep_accepted(name, text);
    }
    driver::with(|driver| {
        if let Ok(module) = &assembled {
            driver.kernels.announce(module);
        }
        driver
            .modules
            .count(&assembled, outcome.seconds, outcome.was_cached);
        driver.modules.examined.insert(digest, assembled.clone());
    });
    assembled
}

impl Modules {
    fn count(&mut self, assembled: &Result<Arc<Module>, String>, seconds: f64, was_cached: bool) {
        let counts = &mut self.counts;
        counts.examined += 1;
        counts.from_cache += u64::from(was_cached);
        counts.ptxas_seconds += seconds;
        match assembled {
            Ok(module) => {
                counts.assembled += u64::from(!module.assembly.kernels.is_empty());
                let warnings = module.assembly.warnings.iter().cloned();
                counts.warnings.extend(warnings);
            }
            Err(_) => counts.rejected += 1,
        }
    }

    fn load(&mut self, module: Arc<Module>) -> u64 {
        self.counts.loaded += 1;
        self.loaded.push(module);
        self.loaded.len() as u64
    }

    fn of(&self, handle: Handle) -> Option<Arc<Module>> {
        let index = driver::number(handle).checked_sub(1)?;
        self.loaded.get(index as usize).cloned()
    }
}

/// Loads a module from PTX or from an image of a link.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut Handle, image: *const c_void) -> Status {
    // SAFETY: the caller passes an image, or a text that ends with a zero.
    let Some(text) = (unsafe { ptx::text_of(image) }) else {
        return INVALID_IMAGE;
    };
    let Ok(examined) = examine(&text) else {
        return INVALID_PTX;
    };
    let loaded = driver::with(|driver| driver.modules.load(examined));
    // SAFETY: the caller passes a place for it.
    unsafe { put(module, driver::handle(loaded)) }
}

/// Loads a module; options make no difference here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadDataEx(
    module: *mut Handle,
    image: *const c_void,
    _count: c_uint,
    _options: *const c_uint,
    _values: *const *mut c_void,
) -> Status {
    // SAFETY: as above.
    unsafe { cuModuleLoadData(module, image) }
}

/// Unloads a module; what was counted stays.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleUnload(_module: Handle) -> Status {
    SUCCESS
}

/// Gives a kernel of a module by its name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(
    function: *mut Handle,
    module: Handle,
    name: *const c_char,
) -> Status {
    if name.is_null() {
        return INVALID_VALUE;
    }
    // SAFETY: it is not null, and the caller passes a text that ends with a zero.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    let Some(module) = driver::with(|driver| driver.modules.of(module)) else {
        return INVALID_HANDLE;
    };
    let found = module.names.iter().any(|of_module| *of_module == name);
    let number = found.then(|| {
        let function = Function::new(&name, &module);
        driver::handle(driver::with(|driver| driver.kernels.add(function)))
    });
    // SAFETY: the caller passes a place for it.
    unsafe { put_or(function, number, NOT_FOUND) }
}

/// Gives a variable of a module: none is stood in for.
#[unsafe(no_mangle)]
pub extern "C" fn cuModuleGetGlobal_v2(
    _address: *mut Address,
    _bytes: *mut usize,
    _module: Handle,
    _name: *const c_char,
) -> Status {
    NOT_FOUND
}

#[cfg(test)]
mod tests {
    use std::ptr::null_mut;

    use super::*;

    #[test]
    fn a_function_is_found_by_its_name() {
        let (mut module, mut function) = (null_mut(), null_mut());
        let text = c".version 9.0\n.entry present(\n)";
        // SAFETY: places are variables, texts end with a zero.
        unsafe {
            let loaded = cuModuleLoadData(&raw mut module, text.as_ptr().cast());
            assert_eq!(loaded, SUCCESS);
            let mut find =
                |module, name: &CStr| cuModuleGetFunction(&raw mut function, module, name.as_ptr());
            assert_eq!(find(module, c"present"), SUCCESS);
            assert_eq!(find(module, c"absent"), NOT_FOUND);
            assert_eq!(find(null_mut(), c"present"), INVALID_HANDLE);
            let other = cuModuleLoadData(&raw mut module, c"\x7fELF".as_ptr().cast());
            assert_eq!(other, INVALID_IMAGE);
        }
    }
}
