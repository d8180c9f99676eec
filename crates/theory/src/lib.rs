//! What a positional encoding does to attention, as numbers worked out on the host in `f64`.
//!
//! * [`Decay`]: logits against distance for three kinds of queries and keys (Figures 2 and 9 of the paper).
//! * [`checks`](checks()): the paper's propositions, theorems and lemmas, each with a number computed now.
//! * [`Wavelengths`], [`least_kernel`], [`smallest_base`]: what follows from frequencies and context alone.
//!
//! A [`Subject`] is an encoding with the attention and the context that it serves. Everything asks its
//! [`PositionalEncoding`](positional::PositionalEncoding) and nothing looks at the kind, so an encoding that
//! is added to `positional` is covered here at once.
//!
//! The paper is Barbero et al. 2025, "Round and Round We Go! What makes Rotary Positional Encodings
//! useful?", arXiv:2410.06205. `docs/theory.md` states everything in words.
//!
//! ```
//! use positional::{AttentionShape, EncodingConfig};
//! use theory::{Content, Decay, Subject, Verdict, checks};
//!
//! let shape = AttentionShape { head_dim: 64, num_heads: 1, hidden_size: 64 };
//! let subject = Subject::new(&EncodingConfig::new("rope"), shape, 1024)?;
//!
//! let decay = Decay::of(&subject, Content::Constant, 0);
//! assert!((decay.values[0] - 1.0).abs() < 1e-12 && decay.values[1023] < 0.5);
//! assert!(checks(&subject).iter().all(|check| check.verdict != Verdict::Refuted));
//! # Ok::<(), theory::TheoryError>(())
//! ```

mod attention;
mod base_bound;
mod check;
mod checks;
mod decay;
mod error;
mod gaussian;
mod number;
mod subject;
mod wavelengths;

pub use attention::{Query, softmax};
pub use base_bound::{LeastKernel, SmallestBase, fitted_base, least_kernel, smallest_base};
pub use check::{Check, Verdict};
pub use checks::maximum::{Maximum, maximum};
pub use checks::positional_head::{Pattern, needed_norm};
pub use checks::semantic_head::sign_change;
pub use checks::wrapping::{Wrapping, wrapping};
pub use checks::zero_mean::{Moments, moments};
pub use checks::{checks, positionless};
pub use decay::{Content, Decay};
pub use error::TheoryError;
pub use gaussian::Gaussian;
pub use subject::{CONTEXTS, Subject};
pub use wavelengths::Wavelengths;
