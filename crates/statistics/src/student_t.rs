//! Student's t distribution, central and noncentral.

use std::f64::consts::LN_2;

use statrs::function::beta::beta_reg;
use statrs::function::gamma::{gamma_lr, gamma_ur, ln_gamma};

use crate::bisection::threshold;

/// P(|T| > |t|) of a t distribution with ν = `df` degrees of freedom: I(x; ν/2, 1/2) with
/// x = ν/(ν + t²), I the regularized incomplete beta function (Abramowitz and Stegun 26.7.1).
pub(crate) fn two_sided_p(t: f64, df: f64) -> f64 {
    beta_reg(df / 2.0, 0.5, df / (df + t * t))
}

/// The t that a two-sided test at level `alpha`, in (0, 1), takes for significant.
pub(crate) fn critical_value(alpha: f64, df: f64) -> f64 {
    threshold(|t| two_sided_p(t, df) <= alpha)
}

/// P(|T| > `critical`) of a noncentral t distribution with `df` degrees of freedom, noncentrality
/// `delta`, and `critical` > 0.
///
/// By its definition T = (Z + δ) / √(V/ν), Z standard normal and V χ² with ν degrees of freedom,
/// independent (Johnson, Kotz and Balakrishnan, "Continuous Univariate Distributions", volume 2,
/// 2nd ed. 1995, chapter 31).
pub(crate) fn exceedance(critical: f64, delta: f64, df: f64) -> f64 {
    let slope = critical / df.sqrt();
    upper_tail(delta, slope, df) + upper_tail(-delta, slope, df)
}

/// What lies farther than this from the mean of a standard normal, or of a χ distribution, has less
/// probability than 3e-18: both are within exp(−r²/2) (for χ: concentration of a Lipschitz function
/// of normals).
const REACH: f64 = 9.0;

/// P(Z + δ > k W), W = √V: the integral of f(w) Φ(δ − k w), f the χ density.
///
/// Where Φ is 1 to double precision the integral is the χ distribution function; where Φ or f is 0,
/// nothing. What is left is at most 19 wide in w and 18 in k w, hence few panels whatever δ, k and ν
/// are.
fn upper_tail(delta: f64, slope: f64, df: f64) -> f64 {
    let certain = (delta - REACH) / slope;
    let impossible = (delta + REACH) / slope;
    // The mean of a χ distribution lies between √ν − 1 and √ν.
    let least = (df.sqrt() - 1.0 - REACH).max(0.0);
    let most = df.sqrt() + REACH;
    if certain >= most {
        return 1.0;
    }
    let head = if certain > 0.0 {
        chi_cdf(certain, df)
    } else {
        0.0
    };
    let (from, to) = (certain.max(least), impossible.min(most));
    head + integral(from, to, 0.5 / slope.max(1.0), |w| {
        chi_density(w, df) * normal_cdf(delta - slope * w)
    })
}

/// A number whose square is still positive, and that no probability here can tell from 0.
const TINY: f64 = 1e-150;

/// By the incomplete gamma function, as statrs keeps 13 digits of it but only 10 of erfc.
fn normal_cdf(x: f64) -> f64 {
    let tail = gamma_ur(0.5, x.abs().clamp(TINY, 38.0).powi(2) / 2.0) / 2.0;
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// Distribution function of a χ distribution with `df` degrees of freedom.
fn chi_cdf(w: f64, df: f64) -> f64 {
    gamma_lr(df / 2.0, w.max(TINY).powi(2) / 2.0)
}

/// Density of a χ distribution with `df` degrees of freedom at `w` > 0.
fn chi_density(w: f64, df: f64) -> f64 {
    let half = df / 2.0;
    ((1.0 - half) * LN_2 - ln_gamma(half) + (df - 1.0) * w.ln() - w * w / 2.0).exp()
}

/// Positive nodes and weights of the ten-point Gauss-Legendre rule on [-1, 1] (Abramowitz and
/// Stegun, table 25.4).
const GAUSS_LEGENDRE: [(f64, f64); 5] = [
    (0.148_874_338_981_631_21, 0.295_524_224_714_752_87),
    (0.433_395_394_129_247_2, 0.269_266_719_309_996_36),
    (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
    (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
    (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
];

/// Integral of a smooth `f` by Gauss-Legendre on panels of at most `width`; 0 where `from` >= `to`.
fn integral(from: f64, to: f64, width: f64, f: impl Fn(f64) -> f64) -> f64 {
    if from >= to {
        return 0.0;
    }
    let panels = ((to - from) / width).ceil();
    let half = (to - from) / panels / 2.0;
    let panel = |index: usize| -> f64 {
        let middle = from + half * (2 * index + 1) as f64;
        GAUSS_LEGENDRE
            .iter()
            .map(|(node, weight)| weight * (f(middle - half * node) + f(middle + half * node)))
            .sum()
    };
    (0..panels as usize).map(panel).sum::<f64>() * half
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same probability from another formula: T² is noncentral F, a Poisson mixture of beta
    /// distributions (Johnson, Kotz and Balakrishnan, chapter 30).
    fn poisson_mixture(critical: f64, delta: f64, df: f64) -> f64 {
        let mean = delta * delta / 2.0;
        let x = df / (df + critical * critical);
        (0..4000_i32)
            .map(f64::from)
            .map(|j| {
                let ln_weight = j * mean.ln() - mean - ln_gamma(j + 1.0);
                ln_weight.exp() * beta_reg(df / 2.0, j + 0.5, x)
            })
            .sum()
    }

    #[test]
    fn two_formulas_of_the_noncentral_t_agree() {
        for df in [1.0, 2.0, 3.0, 7.0, 30.0, 251.0] {
            for critical in [0.01, 0.7, 1.96, 4.3, 12.7, 40.0] {
                for delta in [0.05, 0.8, 3.1, 11.0, 50.0] {
                    let (ours, theirs) = (
                        exceedance(critical, delta, df),
                        poisson_mixture(critical, delta, df),
                    );
                    assert!(
                        (ours - theirs).abs() < 1e-11,
                        "{ours} {theirs} at df {df}, t {critical}, delta {delta}"
                    );
                }
            }
        }
    }

    #[test]
    fn without_noncentrality_it_is_the_central_distribution() {
        for df in [1.0, 2.0, 5.0, 60.0, 5000.0] {
            for alpha in [0.5, 0.05, 1e-3, 1e-6] {
                let level = exceedance(critical_value(alpha, df), 0.0, df);
                assert!(
                    (level / alpha - 1.0).abs() < 1e-9,
                    "{level} at alpha {alpha}, df {df}"
                );
            }
        }
    }

    #[test]
    fn the_critical_values_are_those_of_the_tables() {
        for (alpha, df, table) in [
            (0.05, 1.0, 12.706),
            (0.05, 4.0, 2.776),
            (0.01, 2.0, 9.925),
            (0.001, 30.0, 3.646),
        ] {
            assert!((critical_value(alpha, df) - table).abs() < 5e-4);
        }
    }

    #[test]
    fn the_normal_distribution_is_right_in_both_tails() {
        // scipy.special.ndtr.
        for (x, expected) in [
            (-8.0, 6.220_960_574_271_784e-16),
            (-2.31, 0.010_444_077_061_951_09),
            (0.0, 0.5),
            (0.55, 0.708_840_313_211_653_6),
            (3.0, 0.998_650_101_968_369_9),
        ] {
            let found = normal_cdf(x);
            assert!((found / expected - 1.0).abs() < 1e-13, "{found} at {x}");
        }
    }

    #[test]
    fn extremes_stay_probabilities() {
        for delta in [0.0, 1e3, 1e8, 1e300, f64::INFINITY] {
            for critical in [1e-8, 2.0, 1e6] {
                for df in [1.0, 9.0, 1e5] {
                    let p = exceedance(critical, delta, df);
                    assert!(
                        (0.0..=1.0 + 1e-9).contains(&p),
                        "{p} at {critical}, {delta}, {df}"
                    );
                }
            }
        }
    }
}
