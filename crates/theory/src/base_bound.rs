//! Which base a context needs: Men et al. 2024 (NeurIPS), "Base of RoPE Bounds Context Length", arXiv:2405.14591.
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
/// Without pairs that stand still there is one such range, from `first` on. With them small bases may do as well,
/// whose fast pairs never agree to be negative, so `first` can be far below `all_from`.
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
const STEP: f64 = 1.02;

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
/// Bases are tried 2% apart, from 2 on and down from 30 times [`fitted_base`]; ends are refined by bisection.
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
    if !will_do(most)? {
        return Ok(None);
    }
    let mut first = LEAST;
    while !will_do(first)? {
        first *= STEP;
    }
    if first > LEAST {
        first = refine(first / STEP, first, &will_do)?;
    }
    let mut all_from = most;
    while all_from > first && will_do(all_from / STEP)? {
        all_from /= STEP;
    }
    let all_from = if all_from > first {
        refine(all_from / STEP, all_from, &will_do)?
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
    let steps: Vec<(f64, f64)> = frequencies.iter().map(|g| g.sin_cos()).collect();
    let mut sines = vec![0.0; frequencies.len()];
    let mut cosines = vec![1.0; frequencies.len()];
    (0..=context).map(move |distance| {
        for (pair, (sin, cos)) in sines.iter_mut().zip(&mut cosines).enumerate() {
            if distance % ANEW == 0 {
                (*sin, *cos) = (frequencies[pair] * distance as f64).sin_cos();
            } else {
                let (by_sin, by_cos) = steps[pair];
                (*sin, *cos) = (*sin * by_cos + *cos * by_sin, *cos * by_cos - *sin * by_sin);
            }
        }
        let sum: f64 = cosines.iter().sum();
        (distance, sum / cosines.len() as f64)
    })
}
