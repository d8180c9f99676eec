//! Which base a context needs: Men et al. 2024, "Base of `RoPE` Bounds Context Length", arXiv:2405.14591.
//!
//! For keys alike to the query against random ones, the expected advantage at distance `m` is proportional to
//! `B_m = Σ cos(m g_i)` over the pairs. Where it is negative, what is alike gets *less* attention.

use positional::Spectrum;

use crate::{Subject, TheoryError};

/// The smallest `B_m` over the context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeastKernel {
    /// Where it is, in tokens.
    pub distance: usize,
    /// `B_m` over the number of pairs: 1 at distance 0.
    pub value: f64,
}

/// Bases under which `B_m` is nowhere negative up to the context.
///
/// They are not one range: above the smallest that will do, the authors' bound, there are others that will not.
/// Where pairs stand still even bases near 10 may do, whose fast pairs never agree to be negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmallestBase {
    /// The smallest base that will do.
    pub first: f64,
    /// From here on every base will do, as far as tried.
    pub all_from: f64,
}

/// The smallest base that is tried.
const LEAST: f64 = 2.0;

/// From one tried base to the next.
const STEP: f64 = 1.005;

/// The largest base that is tried, over the fitted one.
const MARGIN: f64 = 30.0;

/// `B_m / pairs` at its smallest, for `m` from 0 to `context`.
pub fn least_kernel(spectrum: &Spectrum, context: usize) -> LeastKernel {
    let start = LeastKernel {
        distance: 0,
        value: 1.0,
    };
    kernel(spectrum, context).fold(start, |least, (distance, value)| {
        if value < least.value {
            LeastKernel { distance, value }
        } else {
            least
        }
    })
}

/// The smallest base under which the subject's encoding, else unchanged, has no negative `B_m` up to its context.
/// `None` for an encoding without rotation or without a parameter `theta`, and where no base will do.
///
/// Bases are tried 0.5% apart, from 2 to 30 times [`fitted_base`]; the ends are refined by bisection. A range of bases
/// narrower than that may be missed.
///
/// # Errors
/// The encoding cannot be built under another base.
pub fn smallest_base(subject: &Subject) -> Result<Option<SmallestBase>, TheoryError> {
    let Some(config) = subject.config() else {
        return Ok(None);
    };
    if subject.rotation().is_none() || !config.parameters.contains_key("theta") {
        return Ok(None);
    }
    let will_do = |base: f64| -> Result<bool, TheoryError> {
        let encoding = config.clone().with("theta", base).build(subject.shape())?;
        Ok(encoding
            .spectrum()
            .is_none_or(|spectrum| kernel(spectrum, subject.context()).all(|(_, b)| b >= 0.0)))
    };
    let most = MARGIN * fitted_base(subject.context()).max(1000.0);
    let steps = ((most / LEAST).ln() / STEP.ln()).floor() as i32;
    let base = |step: i32| LEAST * STEP.powi(step);
    if !will_do(base(steps))? {
        return Ok(None);
    }
    let mut step = 0;
    while !will_do(base(step))? {
        step += 1;
    }
    let lowest = step;
    let first = match lowest {
        0 => LEAST,
        _ => refine(base(lowest - 1), base(lowest), will_do)?,
    };
    step = steps;
    while step > lowest && will_do(base(step - 1))? {
        step -= 1;
    }
    let all_from = if step > lowest {
        refine(base(step - 1), base(step), will_do)?
    } else {
        first
    };
    Ok(Some(SmallestBase { first, all_from }))
}

/// The end, to a thousandth, of the bases that will do: `high` does, `low` does not.
fn refine(
    mut low: f64,
    mut high: f64,
    will_do: impl Fn(f64) -> Result<bool, TheoryError>,
) -> Result<f64, TheoryError> {
    while high / low > 1.001 {
        let middle = (low * high).sqrt();
        if will_do(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

/// The authors' fit to their smallest bases: `0.0424 context^1.628`.
pub fn fitted_base(context: usize) -> f64 {
    0.0424 * (context as f64).powf(1.628)
}

/// Distance and `B_m / pairs`, for `m` from 0 to `context`.
fn kernel(spectrum: &Spectrum, context: usize) -> impl Iterator<Item = (usize, f64)> {
    /// Turning by one token at a time gathers rounding errors; from time to time the angles are worked out anew.
    const ANEW: usize = 256;
    let frequencies = spectrum.frequencies();
    let (by_sin, by_cos): (Vec<f64>, Vec<f64>) = frequencies.iter().map(|g| g.sin_cos()).unzip();
    let (mut sin, mut cos) = (Vec::new(), Vec::new());
    (0..=context).map(move |distance| {
        if distance % ANEW == 0 {
            let angles = frequencies.iter().map(|g| g * distance as f64);
            (sin, cos) = angles.map(f64::sin_cos).unzip();
        } else {
            let turns = by_sin.iter().zip(&by_cos);
            for ((s, c), (ds, dc)) in sin.iter_mut().zip(&mut cos).zip(turns) {
                (*s, *c) = (*s * dc + *c * ds, *c * dc - *s * ds);
            }
        }
        (distance, sum(&cos) / cos.len() as f64)
    })
}

/// The sum, in eight parts so that the processor can work on them at once.
fn sum(values: &[f64]) -> f64 {
    let mut parts = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (part, value) in parts.iter_mut().zip(chunk) {
            *part += value;
        }
    }
    parts.iter().sum::<f64>() + rest
}
