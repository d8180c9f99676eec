//! Where a condition begins to hold.

/// The smallest positive number for which `reached` is true; it must be false from 0 up to there and
/// true from there on. Exact to the last bit. Infinite when no finite number reaches it.
pub(crate) fn threshold(reached: impl Fn(f64) -> bool) -> f64 {
    let mut high = 1.0;
    while !reached(high) {
        high *= 2.0;
        if high.is_infinite() {
            return high;
        }
    }
    let mut low = if high > 1.0 { high / 2.0 } else { 0.0 };
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if reached(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_number_that_reaches() {
        for root in [1e-9, 0.3, 1.0, 1.5, 7e5] {
            assert_eq!(threshold(|x| x >= root).to_bits(), root.to_bits());
        }
        assert!(threshold(|_| false).is_infinite());
    }
}
