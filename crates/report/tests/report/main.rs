//! What charts, tables and pages must be for any input: readable, exact, escaped.

mod common;
mod csv;
mod escaping;
mod extremes;
mod looks;
mod overlap;
mod pages;
mod pictures;
mod tables;
