//! Several tests at once.

use crate::error::StatisticsError;

/// Holm's adjusted p-values, in the order given (Holm, "A simple sequentially rejective multiple test
/// procedure", Scandinavian Journal of Statistics 6(2), 1979).
///
/// With p₍₁₎ ≤ … ≤ p₍ₘ₎ the sorted p-values, the adjusted ones are
/// p̃₍ᵢ₎ = max over k ≤ i of min(1, (m − k + 1) p₍ₖ₎). Calling significant what has p̃ ≤ α keeps the
/// probability of even one false claim among the m at α, however the tests depend on each other;
/// variants that share a baseline do.
///
/// # Errors
/// [`StatisticsError::NotAProbability`] for a p-value outside [0, 1].
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, StatisticsError> {
    if let Some(index) = p_values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        let value = p_values[index];
        return Err(StatisticsError::NotAProbability { index, value });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        largest = largest.max(left * p_values[index]).min(1.0);
        adjusted[index] = largest;
    }
    Ok(adjusted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_adjusted_values_rise_with_the_raw_ones() {
        // Sorted: 0.01·4, max(0.04, 0.02·3), max(0.06, 0.025·2), min(1, 0.9).
        let adjusted = holm(&[0.025, 0.01, 0.9, 0.02]).expect("probabilities");
        for (found, expected) in adjusted.iter().zip([0.06, 0.04, 0.9, 0.06]) {
            assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
        }
        assert_eq!(holm(&[]), Ok(vec![]));
        assert_eq!(holm(&[0.7, 0.6]), Ok(vec![1.0, 1.0]));
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        let error = holm(&[0.5, 1.5]).expect_err("1.5");
        assert_eq!(error.to_string(), "p-value 1 is 1.5; it must lie in [0, 1]");
        assert!(holm(&[f64::NAN]).is_err());
        assert!(holm(&[-0.1]).is_err());
    }
}
