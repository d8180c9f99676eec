//! Short ways to build encodings.

use std::sync::Arc;

use positional::{AttentionShape, EncodingConfig, PositionalEncoding, Spectrum};

/// An ordinary attention with this head size.
pub fn shape(head_dim: usize) -> AttentionShape {
    AttentionShape {
        head_dim,
        num_heads: 8,
        hidden_size: 64,
    }
}

/// `kind` with these parameters, which must be valid.
pub fn build(
    kind: &str,
    parameters: &[(&str, f64)],
    shape: AttentionShape,
) -> Arc<dyn PositionalEncoding> {
    let config = parameters
        .iter()
        .fold(EncodingConfig::new(kind), |config, (name, value)| {
            config.with(name, *value)
        });
    config
        .build(shape)
        .unwrap_or_else(|error| panic!("{config:?}: {error}"))
}

/// The spectrum of a rotary `kind`.
pub fn spectrum(kind: &str, parameters: &[(&str, f64)], head_dim: usize) -> Spectrum {
    let encoding = build(kind, parameters, shape(head_dim));
    encoding.spectrum().expect("a rotary kind").clone()
}

/// Whether two numbers differ by at most `tolerance` of the larger; zeros must be exact.
pub fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

/// `Σ a_i b_i`: the logit of a query and a key before the softmax scale.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
