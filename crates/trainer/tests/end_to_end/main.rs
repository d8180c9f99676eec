//! The `trainer` binary from the outside: what a user types, sees, and finds on disk.
//!
//! Every test works in a temporary folder with a generated corpus and the `micro` model, a run of
//! a second or less. One test binary, because linking it costs more than running it.

mod common;

mod anatomy;
mod checkpoints;
mod command_line;
mod compare;
mod divergence;
mod dry_run;
mod errors;
mod evaluation;
mod kernels;
mod reproducibility;
mod resume;
mod run_directory;
mod signals;
mod sweep;
mod tasks;
mod theory;
