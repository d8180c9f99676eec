//! The decoder against an independent implementation, identities, and finite differences.

mod common;
mod gradients;
mod host;
mod identities;
mod observation;
mod parity;
mod vulkan;
