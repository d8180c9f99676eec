//! Fused forward and backward passes of a decoder's operations on the CPU.
//!
//! Everything works on row-major `f32` slices, knows nothing of tensors or autodiff, and gives the same
//! bits on any number of threads: work is cut into pieces whose size does not depend on how many there
//! are, and partial sums are added in the order of the pieces. (Another processor may round
//! differently: it has other vectors, and [`gemm`] chooses its blocks by the caches.)
//!
//! Loops are plain Rust, compiled once per instruction set by [`pulp`]; large matrix products are those
//! of [`gemm`]. Letters in comments: N tokens (rows), C width, F feed-forward width, V vocabulary,
//! B sequences, T tokens a sequence, H heads, K key-value heads, D head dimension.

#![expect(
    clippy::inline_always,
    reason = "a loop is compiled for an instruction set only where it is inlined into that set's code"
)]

pub mod adamw;
pub mod attention;
pub mod embedding;
pub mod geglu;
pub mod linear;
pub mod linear_cross_entropy;
mod math;
mod matrix;
mod parallel;
pub mod rms_norm;
pub mod rotary;
mod simd;

pub use parallel::serially;
