//! Every kernel (attention has a file of its own) against the textbook formula in double precision:
//! values, gradients, extreme inputs, and the same bits on any number of threads.

#![allow(
    clippy::float_cmp,
    reason = "where bits must be the same, or a value is exact"
)]

mod adamw;
mod embedding;
mod geglu;
mod linear;
mod linear_cross_entropy;
mod rms_norm;
mod rotary;
mod tools;
