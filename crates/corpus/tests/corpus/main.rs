//! Tests of the public interface, one module a part; one binary, so that it links once.

mod datasets;
mod evaluation;
mod preparing;
mod reading;
mod support;
mod token_files;
mod tokenizers;
mod windows;
