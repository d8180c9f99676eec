//! Tests of the public interface, one module a part; one binary, so that it links once.

mod bad_input;
mod broken_premises;
mod golden;
mod statements;
mod support;
