//! What follows from the frequencies alone.

use std::f64::consts::TAU;

use positional::Spectrum;

/// Lengths in tokens, and numbers of coordinate pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wavelengths {
    /// Coordinate pairs of a head.
    pub pairs: usize,
    /// Those that rotate.
    pub rotated: usize,
    /// Those that rotate and do not complete a turn in the context.
    pub incomplete: usize,
    /// Period of the fastest rotating pair.
    pub shortest: Option<f64>,
    /// Period of the slowest rotating pair.
    pub longest: Option<f64>,
}

impl Wavelengths {
    /// Those of `spectrum` in a context of so many tokens.
    pub fn of(spectrum: &Spectrum, context: usize) -> Self {
        let frequencies = spectrum.frequencies();
        let turning = frequencies.iter().filter(|&&g| g > 0.0);
        Self {
            pairs: frequencies.len(),
            rotated: spectrum.num_rotated(),
            incomplete: turning.filter(|&&g| TAU / g > context as f64).count(),
            shortest: spectrum.shortest_wavelength(),
            longest: spectrum.longest_wavelength(),
        }
    }

    /// Pairs that stand still.
    pub fn unrotated(&self) -> usize {
        self.pairs - self.rotated
    }

    /// Distance at which the slowest rotating pair stops to favour what is alike (Theorem 6.1).
    pub fn quarter_turn(&self) -> Option<f64> {
        self.longest.map(|longest| longest / 4.0)
    }
}
