//! A decoder's operations, each with a forward and a backward pass of its own, as Burn tensor functions.
//!
//! Burn's autodiff would take these apart into dozens of elementwise operations, each a pass over memory
//! with an output to allocate. Here every function is one node of the autodiff graph, and keeps only what
//! its backward pass needs. On the CPU backend the work is done by [`cpu_kernels`], on GPUs by
//! [`gpu_kernels`] and by the matrix products and attention that Burn's GPU backend is made of.
//!
//! [`ops`] declares the operations, `flex` and `cube` compute them, `autodiff` puts their gradients
//! together, and the functions below wrap them for tensors.

mod autodiff;
mod collectives;
mod cube;
mod cube_attention;
mod cube_product;
mod flex;
pub mod ops;
pub mod profile;
mod tensors;
mod tf32;
mod threads;

pub use collectives::reduces_natively;
pub use ops::{AdamW, Attention, Head, Norm};
pub use tensors::{
    adamw, attention, embedding, geglu, has_attention, is_supported_by, linear, loss,
    multiplies_bf16, normalize, rms_norm, rotate, sum_of_squares, token_losses,
};
pub use tf32::{attention_rounds_f32, decline_tf32};
pub use threads::Workers;
