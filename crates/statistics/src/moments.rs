//! Mean and standard deviation.

/// The arithmetic mean, x̄ = Σ xᵢ / n. `None` without values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation, √(Σ (xᵢ − x̄)² / (n − 1)). `None` with fewer than two values: one
/// value has no spread that could be known.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_values_give_none() {
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[3.0]), Some(3.0));
        assert_eq!(standard_deviation(&[]), None);
        assert_eq!(standard_deviation(&[3.0]), None);
    }

    #[test]
    fn the_standard_deviation_divides_by_one_less_than_the_count() {
        // Deviations -2, 0, 2: the sum of squares is 8, over 2 that is 4.
        assert_eq!(standard_deviation(&[1.0, 3.0, 5.0]), Some(2.0));
    }
}
