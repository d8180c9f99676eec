//! The wavelengths of a decoder's rotary pairs.

use std::f64::consts::TAU;

use decoder::Decoder;
use serde::Serialize;

/// What the pairs of a layer are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerSpectrum {
    /// Name of the layer's kind.
    pub kind: String,
    /// Label of its encoding.
    pub encoding: String,
    /// Wavelength of each pair in tokens, from the highest frequency to the lowest; `None`: not rotated.
    pub wavelengths: Vec<Option<f64>>,
}

impl LayerSpectrum {
    /// What a pair is called: its wavelength in tokens, or that it has none.
    pub fn label(&self, pair: usize) -> String {
        match self.wavelengths.get(pair).copied().flatten() {
            Some(wavelength) => tokens(wavelength),
            None => format!("none (pair {pair})"),
        }
    }

    /// Pairs that are rotated.
    pub fn rotated(&self) -> usize {
        self.wavelengths.iter().flatten().count()
    }
}

/// A number of tokens in few digits.
pub(crate) fn tokens(count: f64) -> String {
    let digits = if count < 99.5 {
        return format!("{count:.1}");
    } else {
        format!("{count:.0}")
    };
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Each layer's.
pub fn spectra(decoder: &Decoder) -> Vec<LayerSpectrum> {
    let config = decoder.config();
    let of_layer = |layer| {
        let (name, kind) = config.layer(layer);
        let encoding = &decoder.encodings()[name];
        let pairs = config.head_dim_of(kind) / 2;
        let wavelengths = match encoding.spectrum() {
            Some(spectrum) => spectrum
                .frequencies()
                .iter()
                .map(|frequency| (*frequency > 0.0).then(|| TAU / frequency))
                .collect(),
            None => vec![None; pairs],
        };
        LayerSpectrum {
            kind: name.to_owned(),
            encoding: encoding.label(),
            wavelengths,
        }
    };
    (0..config.num_hidden_layers).map(of_layer).collect()
}
