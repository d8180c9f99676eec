//! Cosines and sines ready for the device.

use std::ops::Range;

/// Cosine and sine of every angle, `[positions, head_dim/2]` row-major: one row a position.
///
/// Angles are computed in `f64` and only the results are rounded to `f32`: at position 100,000 an
/// `f32` angle would already be wrong by thousandths of a radian.
#[derive(Clone, Debug, PartialEq)]
pub struct RotaryTables {
    /// `amplitude * cos(angle)`, `[positions, head_dim/2]`.
    pub cos: Vec<f32>,
    /// `amplitude * sin(angle)`, `[positions, head_dim/2]`.
    pub sin: Vec<f32>,
    /// The positions of the rows.
    pub positions: Range<usize>,
    /// Numbers in a row, `head_dim/2`.
    pub pairs: usize,
}
