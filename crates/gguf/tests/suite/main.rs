//! The tests of this crate, one binary.

mod fuzz;
mod golden;
mod hostile;
mod tokenizer;
mod writer;
