//! Tests of the public interface, one binary so that they link once.

mod additive;
mod bad_input;
mod config;
mod golden;
mod identities;
mod registry;
mod rotation;
mod support;
