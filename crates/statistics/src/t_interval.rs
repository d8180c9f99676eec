//! An interval and a test over seeds.

use serde::{Deserialize, Serialize};

use crate::moments::{mean, standard_deviation};
use crate::student_t::{critical_value, two_sided_p};

/// Spread below this share of the mean is the rounding of sums, not a difference between seeds.
const NO_SPREAD: f64 = 1e-12;

/// What the effects of the seeds say about the effect of any seed: a 95% interval, and the test
/// whether it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TInterval {
    /// Mean of the effects, in their unit (nats per token).
    pub mean: f64,
    /// Lower end of the 95% interval, in the same unit.
    pub low: f64,
    /// Upper end of the 95% interval, in the same unit.
    pub high: f64,
    /// The t statistic: the mean over its standard error.
    pub t: f64,
    /// Two-sided p-value of the mean being 0.
    pub p: f64,
    /// One less than the number of effects.
    pub degrees_of_freedom: usize,
}

/// Student's 95% interval and one-sample t test over `effects`, one per seed; as the effects are
/// differences of pairs, this is the paired t test (Student, "The probable error of a mean",
/// Biometrika 6(1), 1908).
///
/// With mean x̄ and standard deviation s of n effects: t = x̄ √n / s, ν = n − 1, the interval is
/// x̄ ± t₀.₉₇₅(ν) s / √n, and p = P(|T| > |t|). It is exact for normal effects.
///
/// It covers other seeds, on the very documents that were evaluated; other documents are the matter
/// of [`crate::Paired::bootstrap_interval`]. Several variants need [`crate::holm`].
///
/// `None`, never a number, where there is no spread to judge by: for fewer than two effects, and for
/// effects that are all equal up to rounding. Also where an effect is not finite.
pub fn t_interval(effects: &[f64]) -> Option<TInterval> {
    let (mean, sd) = (mean(effects)?, standard_deviation(effects)?);
    if !mean.is_finite() || !sd.is_finite() || sd <= NO_SPREAD * mean.abs() {
        return None;
    }
    let degrees_of_freedom = effects.len() - 1;
    let df = degrees_of_freedom as f64;
    let standard_error = sd / (effects.len() as f64).sqrt();
    let t = mean / standard_error;
    let half_width = critical_value(0.05, df) * standard_error;
    Some(TInterval {
        mean,
        low: mean - half_width,
        high: mean + half_width,
        t,
        p: two_sided_p(t, df),
        degrees_of_freedom,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spread_gives_none() {
        assert_eq!(t_interval(&[]), None);
        assert_eq!(t_interval(&[0.005]), None);
        assert_eq!(t_interval(&[0.0, 0.0, 0.0]), None);
        assert_eq!(t_interval(&[0.1 + 0.2, 0.3, 0.3]), None);
        assert_eq!(t_interval(&[0.1, f64::NAN]), None);
        assert_eq!(t_interval(&[0.1, f64::INFINITY]), None);
    }

    #[test]
    fn two_seeds_are_the_cauchy_distribution() {
        // With one degree of freedom P(|T| > t) = 1 − (2/π) atan t.
        let interval = t_interval(&[1.0, 3.0]).expect("two effects");
        assert!((interval.t - 2.0).abs() < 1e-12);
        let p = 1.0 - 2.0f64.atan() * std::f64::consts::FRAC_2_PI;
        assert!((interval.p - p).abs() < 1e-12, "{}", interval.p);
        let half_width = (0.475 * std::f64::consts::PI).tan();
        assert!((interval.high - 2.0 - half_width).abs() < 1e-9);
        assert!((2.0 - interval.low - half_width).abs() < 1e-9);
    }
}
