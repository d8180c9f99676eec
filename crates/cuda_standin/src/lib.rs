//! A stand-in for `libcuda.so.1`: a CUDA build runs under it on a machine without a GPU.
//!
//! It answers as an H100, executes nothing and counts what it is asked for: launches by kernel, memory,
//! copies, synchronisations. With `ptxas` it also assembles every kernel, which says whether the PTX is
//! valid and how many registers it takes. Its numbers are counts. None of them is a speed: kernels take no
//! time here, and what an autotuner finds fastest is arbitrary, though the same in every run.
//!
//! What is copied from the device is made up: every byte is 0x3c. Losses and gradients that a
//! program reads are therefore meaningless constants.
//!
//! | variable | meaning |
//! |---|---|
//! | `CUDA_STANDIN_REPORT` | file that the counts are written to, as JSON; rejected PTX goes into the folder `rejected` beside it |
//! | `CUDA_STANDIN_PTXAS` | `ptxas` of a CUDA toolkit; without it any PTX is accepted |
//! | `CUDA_STANDIN_PTX` | folder that all other PTX is kept in, by the names of kernels |
//! | `CUDA_STANDIN_TUNING` | `first`: autotuning of `CubeCL` ends with the first candidates; without it, it tries all |
//! | `CUDA_STANDIN_CACHE` | folder that keeps what `ptxas` said, by the SHA-256 of the PTX |
//!
//! Handles are numbers in the place of pointers; nothing is behind them, so a wrong one is an error and not
//! a crash. `scripts/cuda_counts.sh` runs the trainer under this library and makes tables of its report.

mod context;
mod copy;
mod device;
mod driver;
mod event;
mod graph;
mod launch;
mod link;
mod memory;
mod module;
mod ptx;
mod ptxas;
mod report;
mod status;
mod stream;
mod tensor_map;
