//! A 95% interval, and the quantiles it is read from.

use serde::{Deserialize, Serialize};

/// A two-sided 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The 2.5th and 97.5th percentiles of `values`, which must not be empty.
pub(crate) fn percentile_interval(mut values: Vec<f64>) -> Interval {
    values.sort_by(f64::total_cmp);
    Interval {
        low: quantile(&values, 0.025),
        high: quantile(&values, 0.975),
    }
}

/// Linear interpolation between order statistics: numpy's default, type 7 of Hyndman and Fan (1996).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate_and_take_any_order() {
        // 0, 1, .., 10: the q-quantile is 10 q.
        let values = vec![3.0, 1.0, 0.0, 2.0, 7.0, 5.0, 4.0, 6.0, 10.0, 9.0, 8.0];
        let interval = percentile_interval(values);
        assert!((interval.low - 0.25).abs() < 1e-12, "{interval:?}");
        assert!((interval.high - 9.75).abs() < 1e-12, "{interval:?}");
    }

    #[test]
    fn one_value_is_all_its_percentiles() {
        let interval = percentile_interval(vec![2.5]);
        assert_eq!((interval.low, interval.high), (2.5, 2.5));
    }
}
