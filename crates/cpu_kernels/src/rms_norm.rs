//! Root-mean-square normalisation: `x / sqrt(mean(x^2) + eps) * (gain + offset)`.

use crate::math::dot;
use crate::parallel::{for_each, map, rows_per_block};
use crate::simd::vectorised;

/// Writes the norm of every row of `x` to `out`, and `1 / sqrt(mean(x^2) + eps)` to `inverse_rms`, which
/// [`backward`] needs.
///
/// `x` and `out` are `[N, C]`, `inverse_rms` is `[N]`, `gain` is `[C]`. `gain_offset` is added to every
/// gain: 1 for gains that are stored as deviations from 1 (Gemma), 0 for plain ones. Without `gain`
/// nothing is multiplied.
///
/// # Panics
/// If lengths disagree.
pub fn forward(
    x: &[f32],
    gain: Option<&[f32]>,
    gain_offset: f32,
    eps: f32,
    out: &mut [f32],
    inverse_rms: &mut [f32],
) {
    assert_eq!(x.len(), out.len(), "x and out");
    let Some(width) = row_width(x.len(), inverse_rms.len()) else {
        return;
    };
    let factors = factors(gain, gain_offset, width);
    let rows = rows_per_block(width);
    let blocks = x
        .chunks(rows * width)
        .zip(out.chunks_mut(rows * width))
        .zip(inverse_rms.chunks_mut(rows))
        .collect();
    for_each(blocks, |((x, out), inverse_rms)| {
        vectorised(
            #[inline(always)]
            || {
                let rows = x.chunks_exact(width).zip(out.chunks_exact_mut(width));
                for ((x, out), inverse) in rows.zip(inverse_rms.iter_mut()) {
                    *inverse = 1.0 / (dot(x, x) / width as f32 + eps).sqrt();
                    for ((out, &x), &factor) in out.iter_mut().zip(x).zip(&factors) {
                        *out = x * *inverse * factor;
                    }
                }
            },
        );
    });
}

/// Gradients of [`forward`], given that of its output.
///
/// `x`, `grad_out` and `grad_x` are `[N, C]`, `inverse_rms` is `[N]` as [`forward`] wrote it, `gain` and
/// `grad_gain` are `[C]`. Both gradients are overwritten.
///
/// # Panics
/// If lengths disagree.
pub fn backward(
    x: &[f32],
    gain: Option<&[f32]>,
    gain_offset: f32,
    inverse_rms: &[f32],
    grad_out: &[f32],
    grad_x: &mut [f32],
    grad_gain: Option<&mut [f32]>,
) {
    assert_eq!(x.len(), grad_out.len(), "x and grad_out");
    assert_eq!(x.len(), grad_x.len(), "x and grad_x");
    let Some(width) = row_width(x.len(), inverse_rms.len()) else {
        if let Some(grad_gain) = grad_gain {
            grad_gain.fill(0.0);
        }
        return;
    };
    let factors = factors(gain, gain_offset, width);
    let rows = rows_per_block(width);
    let blocks = x
        .chunks(rows * width)
        .zip(grad_out.chunks(rows * width))
        .zip(grad_x.chunks_mut(rows * width))
        .zip(inverse_rms.chunks(rows))
        .collect();
    let wants_gain = grad_gain.is_some();
    let partial_gains = map(blocks, |(((x, grad_out), grad_x), inverse_rms)| {
        let block = Block {
            x,
            grad_out,
            inverse_rms,
        };
        block.grad_x(&factors, grad_x);
        wants_gain.then(|| block.grad_gain(width))
    });
    if let Some(grad_gain) = grad_gain {
        assert_eq!(grad_gain.len(), width, "grad_gain and width");
        grad_gain.fill(0.0);
        for partial in partial_gains.iter().flatten() {
            add(partial, grad_gain);
        }
    }
}

/// Consecutive rows.
struct Block<'a> {
    x: &'a [f32],
    grad_out: &'a [f32],
    inverse_rms: &'a [f32],
}

impl Block<'_> {
    /// With `g = grad_out * factors` and `r` the inverse: `r * g - x * r^3 * mean(g * x)`.
    fn grad_x(&self, factors: &[f32], grad_x: &mut [f32]) {
        let width = factors.len();
        vectorised(
            #[inline(always)]
            || {
                let rows = self.x.chunks_exact(width);
                let rows = rows.zip(self.grad_out.chunks_exact(width));
                let rows = rows.zip(grad_x.chunks_exact_mut(width));
                for (((x, grad_out), grad_x), &inverse) in rows.zip(self.inverse_rms) {
                    for ((g, &grad_out), &factor) in grad_x.iter_mut().zip(grad_out).zip(factors) {
                        *g = grad_out * factor * inverse;
                    }
                    // Multiplied in this order, r^3 cannot overflow before x makes it small.
                    let mean = dot(grad_x, x) / width as f32 * inverse;
                    for (g, &x) in grad_x.iter_mut().zip(x) {
                        *g -= x * inverse * mean;
                    }
                }
            },
        );
    }

    /// Sum over the rows of `grad_out * x * r`.
    fn grad_gain(&self, width: usize) -> Vec<f32> {
        let mut sums = vec![0.0; width];
        vectorised(
            #[inline(always)]
            || {
                let rows = self.x.chunks_exact(width);
                let rows = rows.zip(self.grad_out.chunks_exact(width));
                for ((x, grad_out), &inverse) in rows.zip(self.inverse_rms) {
                    for ((sum, &x), &grad_out) in sums.iter_mut().zip(x).zip(grad_out) {
                        *sum += grad_out * (x * inverse);
                    }
                }
            },
        );
        sums
    }
}

/// `C`, or `None` where there is nothing to do.
fn row_width(elements: usize, rows: usize) -> Option<usize> {
    if elements == 0 || rows == 0 {
        assert_eq!(elements, 0, "elements, but no rows");
        return None;
    }
    assert_eq!(
        elements % rows,
        0,
        "{elements} elements are not {rows} rows"
    );
    Some(elements / rows)
}

/// What normalised rows are multiplied by, `[C]`.
fn factors(gain: Option<&[f32]>, offset: f32, width: usize) -> Vec<f32> {
    let Some(gain) = gain else {
        return vec![1.0; width];
    };
    assert_eq!(gain.len(), width, "gain and width");
    gain.iter().map(|gain| gain + offset).collect()
}

fn add(values: &[f32], sums: &mut [f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}
