//! What the rotary families share: their encoding, their parameters, their arithmetic.

use std::sync::Arc;

use crate::{BuildResult, Interval, Parameter, PositionalEncoding, Spectrum};

/// Base of the geometric series of frequencies.
pub(crate) const THETA: Parameter = Parameter {
    name: "theta",
    default: 10_000.0,
    unit: "",
    summary: "base of the geometric series of frequencies; larger means longer wavelengths",
    range: Interval::above(1.0),
};

/// Share of the frequencies that rotate, the p of p-RoPE.
pub(crate) const FRACTION: Parameter = Parameter {
    name: "fraction",
    default: 0.75,
    unit: "",
    summary: "share of the coordinate pairs that rotate; 1 is RoPE, 0 is NoPE",
    range: Interval::closed(0.0, 1.0),
};

/// By how much a trained context is stretched.
pub(crate) const FACTOR: Parameter = Parameter {
    name: "factor",
    default: 8.0,
    unit: "",
    summary: "by how much wavelengths are stretched; 1 changes nothing",
    range: Interval::at_least(1.0),
};

/// The context before it was stretched.
pub(crate) const ORIGINAL: Parameter = Parameter {
    name: "original_max_position_embeddings",
    default: 8192.0,
    unit: "tokens",
    summary: "context length that was trained before stretching",
    range: Interval::at_least(1.0),
};

/// An encoding that is a spectrum and nothing else.
#[derive(Debug)]
pub(crate) struct Rotary {
    label: String,
    spectrum: Spectrum,
}

impl Rotary {
    /// A rotary encoding of unit amplitude.
    pub(crate) fn build(label: String, frequencies: Vec<f64>) -> BuildResult {
        Self::with_amplitude(label, frequencies, 1.0)
    }

    /// A rotary encoding whose cosines and sines are multiplied by `amplitude`.
    pub(crate) fn with_amplitude(
        label: String,
        frequencies: Vec<f64>,
        amplitude: f64,
    ) -> BuildResult {
        let spectrum = Spectrum::new(frequencies, amplitude)?;
        Ok(Arc::new(Self { label, spectrum }))
    }
}

impl PositionalEncoding for Rotary {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn spectrum(&self) -> Option<&Spectrum> {
        Some(&self.spectrum)
    }
}

/// `theta^(-2 index / dims)` radians per token: term `index` of the series `RoPE` spreads over
/// `dims` coordinates.
pub(crate) fn frequency(theta: f64, index: usize, dims: usize) -> f64 {
    theta.powf(-((2 * index) as f64 / dims as f64))
}

/// Pairs that rotate when a `fraction` of `pairs` does.
///
/// The paper writes `int(fraction * head_dim // 2)`. Halving is exact in binary, so flooring the
/// half of the rounded product is the same number in every case.
pub(crate) fn rotated_pairs(fraction: f64, pairs: usize) -> usize {
    let head_dim = (2 * pairs) as f64;
    (fraction * head_dim / 2.0).floor() as usize
}
