//! Fused forward and backward passes of a decoder's operations on GPUs, in `CubeCL`: one source for
//! CUDA and wgpu.
//!
//! Functions take buffers ([`Handle`]) with contiguous, row-major content and their lengths, launch
//! kernels on the [`Client`]'s device, and return new buffers; nothing waits for the device. They know
//! nothing of tensors or autodiff. Arithmetic is in single precision, whatever the buffers hold. No
//! kernel uses atomics: the same input gives the same bits on the same device.
//!
//! Letters in comments: N tokens (rows), C width, V vocabulary, B sequences, T tokens a sequence,
//! D head dimension, Q rows of a chunk of logits. A *cube* is a workgroup (CUDA: a block), a *unit* one
//! of its threads.

#![expect(
    clippy::used_underscore_binding,
    reason = "a type's definition is an argument of a kernel that only generated code reads"
)]

pub mod adamw;
pub mod cross_entropy;
pub mod embedding;
pub mod geglu;
mod launch;
mod reduce;
pub mod rms_norm;
pub mod rotary;

pub use cubecl::client::Client;
pub use cubecl::prelude::ElemType;
pub use cubecl::server::Handle;
