//! The frequencies by which a rotary encoding turns queries and keys.

use std::f64::consts::TAU;
use std::ops::Range;

use crate::{EncodingError, RotaryTables};

/// `head_dim/2` angular frequencies in radians per token, and an amplitude.
///
/// Coordinates `(i, i + head_dim/2)` form pair `i` (half-split pairing, as Gemma and Hugging Face
/// do). At position `n` pair `i` is turned by `n * frequencies[i]` radians. A frequency of zero
/// leaves its pair as it is, at every position. The families of this crate list the frequencies
/// that rotate from high to low.
///
/// The amplitude multiplies cosines and sines; it is 1 except for encodings such as `YaRN` that
/// change the temperature of attention together with the frequencies.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    frequencies: Vec<f64>,
    amplitude: f64,
}

impl Spectrum {
    /// A spectrum of one frequency a pair, in radians per token.
    ///
    /// # Errors
    /// [`EncodingError::EmptySpectrum`], [`EncodingError::InvalidFrequency`] (negative, infinite or
    /// NaN), [`EncodingError::InvalidAmplitude`] (not positive and finite).
    pub fn new(frequencies: Vec<f64>, amplitude: f64) -> Result<Self, EncodingError> {
        if frequencies.is_empty() {
            return Err(EncodingError::EmptySpectrum);
        }
        for (pair, &value) in frequencies.iter().enumerate() {
            if !value.is_finite() || value < 0.0 {
                return Err(EncodingError::InvalidFrequency { pair, value });
            }
        }
        if !amplitude.is_finite() || amplitude <= 0.0 {
            return Err(EncodingError::InvalidAmplitude { value: amplitude });
        }
        // Adding zero turns -0 into 0: its sines would be -0, not bitwise those of NoPE.
        let frequencies = frequencies.into_iter().map(|value| value + 0.0).collect();
        Ok(Self {
            frequencies,
            amplitude,
        })
    }

    /// Angular frequency of each pair, radians per token.
    pub fn frequencies(&self) -> &[f64] {
        &self.frequencies
    }

    /// Factor on cosines and sines.
    pub fn amplitude(&self) -> f64 {
        self.amplitude
    }

    /// Coordinates of the head, twice the number of pairs.
    pub fn head_dim(&self) -> usize {
        2 * self.frequencies.len()
    }

    /// Pairs that rotate: those of nonzero frequency.
    pub fn num_rotated(&self) -> usize {
        self.rotated().count()
    }

    /// Whether rotating changes nothing: every frequency zero and the amplitude 1, as in `NoPE`.
    pub fn is_identity(&self) -> bool {
        let unit_amplitude = self.amplitude.to_bits() == 1.0_f64.to_bits();
        unit_amplitude && self.num_rotated() == 0
    }

    /// Period of the slowest rotating pair, in tokens: `2π / smallest nonzero frequency`.
    /// `None` when nothing rotates.
    pub fn longest_wavelength(&self) -> Option<f64> {
        self.rotated().reduce(f64::min).map(|slowest| TAU / slowest)
    }

    /// Period of the fastest rotating pair, in tokens. `None` when nothing rotates.
    pub fn shortest_wavelength(&self) -> Option<f64> {
        self.rotated().reduce(f64::max).map(|fastest| TAU / fastest)
    }

    /// Angle by which `pair` is turned at `position`, in radians, not reduced modulo 2π.
    ///
    /// # Panics
    /// When `pair` is not below `head_dim/2`.
    pub fn angle(&self, pair: usize, position: usize) -> f64 {
        self.frequencies[pair] * position as f64
    }

    /// Cosines and sines for a range of positions, `[positions, head_dim/2]`.
    pub fn tables(&self, positions: Range<usize>) -> RotaryTables {
        let pairs = self.frequencies.len();
        let mut cos = Vec::with_capacity(positions.len() * pairs);
        let mut sin = Vec::with_capacity(positions.len() * pairs);
        for position in positions.clone() {
            for pair in 0..pairs {
                let (pair_sin, pair_cos) = self.sin_cos(pair, position);
                cos.push(pair_cos as f32);
                sin.push(pair_sin as f32);
            }
        }
        RotaryTables {
            cos,
            sin,
            positions,
            pairs,
        }
    }

    /// Rotates one head's query or key `x`, `[head_dim]`, as it stands at `position`.
    ///
    /// With `a` the first half of `x` and `b` the second, the halves of the result are
    /// `a cos - b sin` and `b cos + a sin`. This is the plain reference the decoder's tensors are
    /// tested against.
    ///
    /// # Panics
    /// When `x` does not have `head_dim` coordinates.
    pub fn rotate(&self, x: &[f64], position: usize) -> Vec<f64> {
        let head_dim = self.head_dim();
        assert_eq!(x.len(), head_dim, "`x` must have head_dim coordinates");
        let (first, second) = x.split_at(head_dim / 2);
        let mut rotated = vec![0.0; head_dim];
        for pair in 0..head_dim / 2 {
            let (sin, cos) = self.sin_cos(pair, position);
            rotated[pair] = first[pair] * cos - second[pair] * sin;
            rotated[pair + head_dim / 2] = second[pair] * cos + first[pair] * sin;
        }
        rotated
    }

    /// A number that binds a checkpoint to the spectrum it was trained with: 64-bit FNV-1a over
    /// the amplitude and the frequencies, in order.
    ///
    /// They are rounded to `f32` first. The last bit of a power differs between platforms'
    /// mathematics libraries, and a checkpoint must not be refused for having changed machines.
    /// Frequencies closer than one part in ten million are therefore the same to it.
    pub fn fingerprint(&self) -> u64 {
        const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        std::iter::once(self.amplitude)
            .chain(self.frequencies.iter().copied())
            .flat_map(|value| (value as f32).to_bits().to_le_bytes())
            .fold(OFFSET_BASIS, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(PRIME)
            })
    }

    fn rotated(&self) -> impl Iterator<Item = f64> {
        self.frequencies.iter().copied().filter(|&f| f > 0.0)
    }

    /// Sine and cosine of an angle, both times the amplitude.
    fn sin_cos(&self, pair: usize, position: usize) -> (f64, f64) {
        let (sin, cos) = self.angle(pair, position).sin_cos();
        (self.amplitude * sin, self.amplitude * cos)
    }
}
