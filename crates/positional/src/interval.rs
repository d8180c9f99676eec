//! The range a parameter may take.

use std::fmt;

/// One end of an [`Interval`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// The value itself is allowed.
    Inclusive(f64),
    /// The value itself is not allowed.
    Exclusive(f64),
    /// No finite limit. Infinity is still not allowed.
    Unbounded,
}

/// An interval of finite numbers, printed as mathematicians write it: `[0, 1]`, `(1, ∞)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub min: Bound,
    /// Upper end.
    pub max: Bound,
}

impl Interval {
    /// `[min, max]`: both ends allowed.
    pub const fn closed(min: f64, max: f64) -> Self {
        Self {
            min: Bound::Inclusive(min),
            max: Bound::Inclusive(max),
        }
    }

    /// `[min, ∞)`: `min` or more.
    pub const fn at_least(min: f64) -> Self {
        Self {
            min: Bound::Inclusive(min),
            max: Bound::Unbounded,
        }
    }

    /// `(min, ∞)`: more than `min`.
    pub const fn above(min: f64) -> Self {
        Self {
            min: Bound::Exclusive(min),
            max: Bound::Unbounded,
        }
    }

    /// Whether `value` lies inside. NaN and infinities never do.
    pub fn contains(&self, value: f64) -> bool {
        let above_min = match self.min {
            Bound::Inclusive(min) => value >= min,
            Bound::Exclusive(min) => value > min,
            Bound::Unbounded => true,
        };
        let below_max = match self.max {
            Bound::Inclusive(max) => value <= max,
            Bound::Exclusive(max) => value < max,
            Bound::Unbounded => true,
        };
        value.is_finite() && above_min && below_max
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.min {
            Bound::Inclusive(min) => write!(f, "[{min}, ")?,
            Bound::Exclusive(min) => write!(f, "({min}, ")?,
            Bound::Unbounded => write!(f, "(-∞, ")?,
        }
        match self.max {
            Bound::Inclusive(max) => write!(f, "{max}]"),
            Bound::Exclusive(max) => write!(f, "{max})"),
            Bound::Unbounded => write!(f, "∞)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_written_in_mathematics() {
        let half_open = Interval {
            min: Bound::Unbounded,
            max: Bound::Exclusive(2.5),
        };
        assert_eq!(Interval::closed(0.0, 1.0).to_string(), "[0, 1]");
        assert_eq!(Interval::above(1.0).to_string(), "(1, ∞)");
        assert_eq!(Interval::at_least(2.0).to_string(), "[2, ∞)");
        assert_eq!(half_open.to_string(), "(-∞, 2.5)");
    }

    #[test]
    fn ends_belong_only_when_inclusive() {
        assert!(Interval::closed(0.0, 1.0).contains(0.0));
        assert!(Interval::closed(0.0, 1.0).contains(1.0));
        assert!(!Interval::closed(0.0, 1.0).contains(1.0_f64.next_up()));
        assert!(!Interval::above(1.0).contains(1.0));
        assert!(Interval::above(1.0).contains(1.0_f64.next_up()));
    }

    #[test]
    fn is_made_of_finite_numbers() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!Interval::above(1.0).contains(value));
            assert!(!Interval::closed(f64::MIN, f64::MAX).contains(value));
        }
    }
}
