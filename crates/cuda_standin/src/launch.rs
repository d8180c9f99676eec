//! Launches: counted by kernel, and refused where the real device would refuse them.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_uint, c_void};
use std::ptr::null_mut;

use crate::device::{
    MAX_BLOCK, MAX_BLOCK_THREADS, MAX_GRID, REGISTERS, SHARED_BYTES, SHARED_BYTES_OPT_IN,
};
use crate::driver::{self, Driver, Handle};
use crate::event;
use crate::module::Module;
use crate::ptxas::Resources;
use crate::status::{INVALID_HANDLE, INVALID_VALUE, LAUNCH_OUT_OF_RESOURCES, SUCCESS, Status, put};

/// A kernel that has a handle.
pub struct Function {
    name: String,
    uses_tensor_cores: bool,
    resources: Resources,
    dynamic_shared_limit: u64,
}

/// What is counted of the kernels of one name.
#[derive(Clone, Default)]
pub struct Kernel {
    pub launches: u64,
    pub blocks: u64,
    pub threads: u64,
    pub block_threads: u64,
    pub dynamic_shared_bytes: u64,
    pub resources: Resources,
    pub modules: u64,
    pub uses_tensor_cores: bool,
}

/// All kernels.
#[derive(Default)]
pub struct Kernels {
    pub by_name: BTreeMap<String, Kernel>,
    pub refused: u64,
    /// The first launches and tensor maps that were refused, in words.
    pub refusals: Vec<String>,
    /// The kernel that was launched last: what is refused without a kernel comes after it.
    last: String,
    functions: Vec<Function>,
}

/// Grid, block and dynamic shared memory of a launch.
#[derive(Clone, Copy, Debug)]
struct Shape {
    grid: [u32; 3],
    block: [u32; 3],
    shared_bytes: u64,
}

impl Function {
    /// The kernel of this name in a module.
    pub fn new(name: &str, module: &Module) -> Self {
        let resources = module.assembly.kernels.get(name).copied();
        Self {
            name: name.to_owned(),
            uses_tensor_cores: module.uses_tensor_cores,
            resources: resources.unwrap_or_default(),
            dynamic_shared_limit: SHARED_BYTES,
        }
    }

    /// Whether the device can run it so.
    fn check(&self, shape: &Shape) -> Status {
        let within = |dimensions: [u32; 3], most: [u32; 3]| {
            let mut pairs = dimensions.into_iter().zip(most);
            pairs.all(|(dimension, most)| (1..=most).contains(&dimension))
        };
        let threads = product(shape.block);
        let shared = self.resources.static_shared_bytes + shape.shared_bytes;
        if !within(shape.grid, MAX_GRID)
            || !within(shape.block, MAX_BLOCK)
            || threads > MAX_BLOCK_THREADS
            || shape.shared_bytes > self.dynamic_shared_limit
            || shared > SHARED_BYTES_OPT_IN
        {
            return INVALID_VALUE;
        }
        // Registers go to warps of 32 threads in units of 256.
        let warp_registers = (32 * self.resources.registers).next_multiple_of(256);
        if threads.div_ceil(32) * warp_registers > REGISTERS {
            return LAUNCH_OUT_OF_RESOURCES;
        }
        SUCCESS
    }
}

fn product(dimensions: [u32; 3]) -> u64 {
    dimensions.into_iter().map(u64::from).product()
}

impl Kernels {
    /// Makes the kernels of a module known, before any launch.
    pub fn announce(&mut self, module: &Module) {
        for name in &module.names {
            let kernel = self.by_name.entry(name.clone()).or_default();
            kernel.modules += 1;
            kernel.uses_tensor_cores |= module.uses_tensor_cores;
            if let Some(resources) = module.assembly.kernels.get(name) {
                kernel.resources = *resources;
            }
        }
    }

    /// Gives a function a handle.
    pub fn add(&mut self, function: Function) -> u64 {
        self.functions.push(function);
        self.functions.len() as u64
    }

    fn function(&mut self, handle: Handle) -> Option<&mut Function> {
        let index = driver::number(handle).checked_sub(1)?;
        self.functions.get_mut(index as usize)
    }

    /// Counts a launch, and gives what it moves the clock by.
    fn launch(&mut self, handle: Handle, shape: &Shape) -> Result<u64, Status> {
        let function = self.function(handle).ok_or(INVALID_HANDLE)?;
        let status = function.check(shape);
        let (name, tensor_cores) = (function.name.clone(), function.uses_tensor_cores);
        if status != SUCCESS {
            self.refuse(&name, shape);
            return Err(status);
        }
        let probe = event::probe_nanoseconds(&name);
        let blocks = product(shape.grid);
        let block_threads = product(shape.block);
        let threads = blocks * block_threads;
        self.last.clone_from(&name);
        let kernel = self.by_name.entry(name).or_default();
        kernel.launches += 1;
        kernel.blocks += blocks;
        kernel.threads += threads;
        kernel.block_threads = kernel.block_threads.max(block_threads);
        kernel.dynamic_shared_bytes = kernel.dynamic_shared_bytes.max(shape.shared_bytes);
        Ok(probe.unwrap_or_else(|| event::launch_nanoseconds(threads, tensor_cores)))
    }

    fn refuse(&mut self, name: &str, shape: &Shape) {
        self.refused += 1;
        self.keep(format!("{name}: {shape:?}"));
    }

    /// Keeps what a tensor map that is refused describes. No kernel is named with a map.
    pub fn refuse_map(&mut self, map: &str) {
        self.keep(format!("tensor map, after {}: {map}", self.last));
    }

    fn keep(&mut self, words: String) {
        const KEPT: usize = 20;
        if self.refusals.len() < KEPT {
            self.refusals.push(words);
        }
    }
}

fn launch(driver: &mut Driver, function: Handle, shape: &Shape) -> Status {
    match driver.kernels.launch(function, shape) {
        Ok(nanoseconds) => {
            driver.events.advance(nanoseconds);
            let began = driver.began;
            driver
                .first_launch_seconds
                .get_or_insert_with(|| began.elapsed().as_secs_f64());
            SUCCESS
        }
        Err(status) => status,
    }
}

/// Launches a kernel: it is counted, and nothing runs.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared_bytes: c_uint,
    _stream: Handle,
    _arguments: *mut *mut c_void,
    _extra: *mut *mut c_void,
) -> Status {
    let shape = Shape {
        grid: [grid_x, grid_y, grid_z],
        block: [block_x, block_y, block_z],
        shared_bytes: u64::from(shared_bytes),
    };
    driver::with(|driver| launch(driver, function, &shape))
}

/// Launches a kernel whose blocks may wait for each other.
#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchCooperativeKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared_bytes: c_uint,
    stream: Handle,
    arguments: *mut *mut c_void,
) -> Status {
    cuLaunchKernel(
        function,
        grid_x,
        grid_y,
        grid_z,
        block_x,
        block_y,
        block_z,
        shared_bytes,
        stream,
        arguments,
        null_mut(),
    )
}

/// The beginning of `CUlaunchConfig`, which is all that is read of it.
#[repr(C)]
pub struct Configuration {
    grid: [c_uint; 3],
    block: [c_uint; 3],
    shared_bytes: c_uint,
}

/// Launches a kernel with attributes, which make no difference here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernelEx(
    configuration: *const Configuration,
    function: Handle,
    _arguments: *mut *mut c_void,
    _extra: *mut *mut c_void,
) -> Status {
    // SAFETY: the caller passes a configuration, or null.
    let Some(configuration) = (unsafe { configuration.as_ref() }) else {
        return INVALID_VALUE;
    };
    let shape = Shape {
        grid: configuration.grid,
        block: configuration.block,
        shared_bytes: u64::from(configuration.shared_bytes),
    };
    driver::with(|driver| launch(driver, function, &shape))
}

/// `CUfunction_attribute` of the most dynamic shared memory.
const MAX_DYNAMIC_SHARED: c_uint = 8;

/// Sets an attribute of a kernel: the most dynamic shared memory is remembered, the others are not.
#[unsafe(no_mangle)]
pub extern "C" fn cuFuncSetAttribute(function: Handle, attribute: c_uint, value: c_int) -> Status {
    driver::with(|driver| {
        let Some(function) = driver.kernels.function(function) else {
            return INVALID_HANDLE;
        };
        if attribute != MAX_DYNAMIC_SHARED {
            return SUCCESS;
        }
        let limit = SHARED_BYTES_OPT_IN.saturating_sub(function.resources.static_shared_bytes);
        match u64::try_from(value) {
            Ok(bytes) if bytes <= limit => {
                function.dynamic_shared_limit = bytes.max(SHARED_BYTES);
                SUCCESS
            }
            _ => INVALID_VALUE,
        }
    })
}

/// Gives an attribute of a kernel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncGetAttribute(
    value: *mut c_int,
    attribute: c_uint,
    function: Handle,
) -> Status {
    let found = driver::with(|driver| {
        let function = driver.kernels.function(function)?;
        Some(match attribute {
            0 => MAX_BLOCK_THREADS,
            1 => function.resources.static_shared_bytes,
            3 => function.resources.stack_bytes,
            4 => function.resources.registers,
            MAX_DYNAMIC_SHARED => function.dynamic_shared_limit,
            _ => 0,
        })
    });
    match found {
        // SAFETY: the caller passes a place for it.
        Some(found) => unsafe { put(value, found as c_int) },
        None => INVALID_HANDLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptxas::Assembly;

    fn module(registers: u64) -> Module {
        let resources = Resources {
            registers,
            ..Resources::default()
        };
        Module {
            names: vec!["k".to_owned()],
            uses_tensor_cores: false,
            assembly: Assembly {
                kernels: [("k".to_owned(), resources)].into(),
                warnings: Vec::new(),
            },
        }
    }

    fn shape(grid: u32, block: u32, shared_bytes: u64) -> Shape {
        Shape {
            grid: [grid, 2, 1],
            block: [block, 1, 1],
            shared_bytes,
        }
    }

    #[test]
    fn launches_are_counted_by_name() {
        let mut kernels = Kernels::default();
        let module = module(64);
        kernels.announce(&module);
        let handle = driver::handle(kernels.add(Function::new("k", &module)));
        assert_eq!(kernels.launch(handle, &shape(3, 128, 0)), Ok(2_000 + 768));
        assert!(kernels.launch(handle, &shape(1, 256, 1024)).is_ok());
        let kernel = &kernels.by_name["k"];
        assert_eq!(
            (kernel.launches, kernel.blocks, kernel.threads),
            (2, 8, 1280)
        );
        assert_eq!(
            (kernel.block_threads, kernel.dynamic_shared_bytes),
            (256, 1024)
        );
        assert_eq!((kernel.resources.registers, kernel.modules), (64, 1));
    }

    #[test]
    fn what_the_device_cannot_run_is_refused() {
        let mut kernels = Kernels::default();
        let handle = driver::handle(kernels.add(Function::new("k", &module(128))));
        let refused = [
            (shape(0, 32, 0), INVALID_VALUE),
            (shape(1, 1025, 0), INVALID_VALUE),
            (shape(1, 32, SHARED_BYTES + 1), INVALID_VALUE),
            (shape(1, 1024, 0), LAUNCH_OUT_OF_RESOURCES),
        ];
        for (shape, status) in refused {
            assert_eq!(kernels.launch(handle, &shape), Err(status), "{shape:?}");
        }
        assert_eq!(kernels.refused, 4);
        assert!(kernels.refusals[0].starts_with("k: Shape"));
        let unknown = kernels.launch(driver::handle(9), &shape(1, 32, 0));
        assert_eq!(unknown, Err(INVALID_HANDLE));
    }

    #[test]
    fn shared_memory_beyond_the_usual_must_be_asked_for() {
        let handle = driver::with(|driver| {
            let function = Function::new("k", &module(32));
            driver::handle(driver.kernels.add(function))
        });
        let asked = |bytes| cuFuncSetAttribute(handle, MAX_DYNAMIC_SHARED, bytes);
        let launched = |bytes| {
            driver::with(|driver| driver.kernels.launch(handle, &shape(1, 32, bytes)).is_ok())
        };
        assert!(!launched(SHARED_BYTES_OPT_IN));
        assert_eq!(asked(SHARED_BYTES_OPT_IN as c_int + 1), INVALID_VALUE);
        assert_eq!(asked(SHARED_BYTES_OPT_IN as c_int), SUCCESS);
        assert!(launched(SHARED_BYTES_OPT_IN));
    }
}
