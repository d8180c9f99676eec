//! A decoder's operations, each with a forward and a backward pass of its own, as Burn tensor functions.
//!
//! Burn's autodiff would take these apart into dozens of elementwise operations, each a pass over memory
//! with an output to allocate. Here every function is one node of the autodiff graph, and keeps only what
//! its backward pass needs. On the CPU backend the work is done by [`cpu_kernels`]; other backends have no
//! such kernels yet, and calling these functions with their tensors panics: ask [`is_supported_by`].
//!
//! [`ops`] declares the operations, `flex` computes them, `autodiff` holds the gradients, and the functions
//! below wrap them for tensors.

mod autodiff;
mod flex;
pub mod ops;
mod tensors;
mod threads;

pub use ops::{AdamW, Attention, Norm};
pub use tensors::{
    adamw, attention, embedding, geglu, is_supported_by, linear, loss, normalize, rms_norm, rotate,
    sum_of_squares, token_losses,
};
pub use threads::on_a_thread_each;
