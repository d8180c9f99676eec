//! What a number of seeds can show.

use crate::bisection::threshold;
use crate::student_t::{critical_value, exceedance};

/// The probability that `n` seeds show a true `effect` at level `alpha`, by the two-sided paired t
/// test of [`crate::t_interval`].
///
/// `effect` is the true mean of the paired differences and `sd` their standard deviation between
/// seeds, in one unit (nats per token). The t statistic is then noncentral t with ν = n − 1 and
/// δ = √n · effect / sd, and the power is P(|T| > t₁₋α/₂(ν)) (Cohen, "Statistical Power Analysis for the
/// Behavioral Sciences", 2nd ed. 1988, chapter 2). It is `alpha` for no effect. Absolute
/// error below 1e-9 for n up to a million and `alpha` up to 0.5.
///
/// `None` for n < 2, where no test exists, and for values outside their ranges: `sd` positive and
/// finite, `alpha` in (0, 1), `effect` finite.
pub fn power(effect: f64, sd: f64, n: usize, alpha: f64) -> Option<f64> {
    if n < 2 || !is_spread(sd) || !is_open_probability(alpha) || !effect.is_finite() {
        return None;
    }
    let df = (n - 1) as f64;
    let delta = effect / sd * (n as f64).sqrt();
    Some(exceedance(critical_value(alpha, df), delta, df).min(1.0))
}

/// The smallest true effect that `n` seeds show at level `alpha` with the probability `power`,
/// customarily 0.8: the minimum detectable effect of the two-sided paired t test, the inverse of
/// [`power`](crate::power()) in its effect, found by bisection.
///
/// `sd` is the standard deviation of the paired differences between seeds; the result has its unit
/// (nats per token). An `sd` that was itself estimated from few seeds makes the result as uncertain.
///
/// `None` for n < 2, and for values outside their ranges: `sd` positive and finite, `alpha` in
/// (0, 1), `power` above `alpha`, which no effect at all already gives, and below 1.
pub fn smallest_detectable(sd: f64, n: usize, alpha: f64, power: f64) -> Option<f64> {
    let asked = is_open_probability(power) && power > alpha;
    if n < 2 || !is_spread(sd) || !is_open_probability(alpha) || !asked {
        return None;
    }
    let df = (n - 1) as f64;
    let critical = critical_value(alpha, df);
    let delta = threshold(|delta| exceedance(critical, delta, df) >= power);
    Some(delta * sd / (n as f64).sqrt()).filter(|effect| effect.is_finite())
}

fn is_spread(sd: f64) -> bool {
    sd > 0.0 && sd.is_finite()
}

fn is_open_probability(p: f64) -> bool {
    p > 0.0 && p < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_and_senseless_values_give_none() {
        assert_eq!(power(0.1, 1.0, 1, 0.05), None);
        assert_eq!(power(0.1, 1.0, 0, 0.05), None);
        assert_eq!(power(f64::NAN, 1.0, 5, 0.05), None);
        assert_eq!(smallest_detectable(1.0, 1, 0.05, 0.8), None);
        assert_eq!(smallest_detectable(1.0, 0, 0.05, 0.8), None);
        for sd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(power(0.1, sd, 5, 0.05), None);
            assert_eq!(smallest_detectable(sd, 5, 0.05, 0.8), None);
        }
        for p in [0.0, 1.0, -0.1, f64::NAN] {
            assert_eq!(power(0.1, 1.0, 5, p), None);
            assert_eq!(smallest_detectable(1.0, 5, p, 0.8), None);
            assert_eq!(smallest_detectable(1.0, 5, 0.05, p), None);
        }
        assert_eq!(smallest_detectable(1.0, 5, 0.05, 0.05), None);
    }

    #[test]
    fn large_effects_are_always_shown() {
        assert_eq!(power(1e300, 1e-300, 2, 1e-9), Some(1.0));
    }
}
