//! The kernels on a device that wgpu finds, a software Vulkan if need be, against the CPU's kernels
//! (whose own tests compare them with formulas in double precision and with finite differences) and
//! against formulas in double precision.

mod adamw;
mod cross_entropy;
mod embedding;
mod geglu;
mod rms_norm;
mod rotary;
mod tools;
