//! How a decoder is told about position: frequency spectra and positional encodings.
//!
//! Everything here is `f64` mathematics on the host. No tensors, no files, no training: the decoder
//! asks a [`PositionalEncoding`] for numbers and turns them into tensors itself, and it never
//! matches on the kind of encoding.
//!
//! * A **rotary** encoding is a [`Spectrum`]: `head_dim/2` angular frequencies. `RoPE`, p-RoPE,
//!   `NoPE` and their relatives differ in this list and in nothing else. A zero frequency is the
//!   identity rotation, so p-RoPE with `p = 1` is `RoPE`, and with `p = 0` is `NoPE`, bit for bit.
//! * A **bias** encoding adds to the attention logits (`ALiBi`).
//! * An **absolute** encoding adds to the embeddings (sinusoidal).
//! * A **logit scale** multiplies the query at each position (log-length scaling).
//!
//! A config names an encoding by its kind ([`EncodingConfig`]); [`families`] lists every kind, with
//! its parameters, defaults, ranges and source.
//!
//! ```
//! use positional::{AttentionShape, EncodingConfig};
//!
//! let shape = AttentionShape { head_dim: 256, num_heads: 8, hidden_size: 2048 };
//! let encoding = EncodingConfig::new("prope").with("fraction", 0.75).build(shape)?;
//! let spectrum = encoding.spectrum().ok_or("p-RoPE is rotary")?;
//!
//! assert_eq!(encoding.label(), "0.75-RoPE, θ=10000");
//! assert_eq!((spectrum.num_rotated(), spectrum.frequencies().len()), (96, 128));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod encoding;
mod error;
mod families;
mod family;
mod interval;
mod nearest;
mod rotary;
mod shape;
mod spectrum;
mod tables;

pub use config::EncodingConfig;
pub use encoding::{BuildResult, PositionalEncoding};
pub use error::EncodingError;
pub use families::{families, family};
pub use family::{Family, Parameter, Parameters};
pub use interval::{Bound, Interval};
pub use shape::AttentionShape;
pub use spectrum::Spectrum;
pub use tables::RotaryTables;
