//! Axes: from values to pixels, and where the ticks are.

use crate::number;
use crate::text_width::{Weight, width};

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal distances for equal differences.
    Linear,
    /// Equal distances for doublings; ticks at powers of two. For context lengths.
    Log2,
    /// Equal distances for tenfolds; ticks at powers of ten, or 1-2-5 over a short range. For base
    /// wavelengths and losses over many magnitudes.
    Log10,
}

/// A title with a unit, a scale, and perhaps a fixed range.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub(crate) title: String,
    pub(crate) unit: String,
    pub(crate) scale: Scale,
    pub(crate) range: Option<(f64, f64)>,
}

impl Axis {
    /// An axis with equal distances for equal differences.
    #[must_use]
    pub fn linear(title: impl Into<String>) -> Self {
        Self::new(title, Scale::Linear)
    }

    /// An axis with equal distances for doublings. Values ≤ 0 are not on it and leave gaps.
    #[must_use]
    pub fn log2(title: impl Into<String>) -> Self {
        Self::new(title, Scale::Log2)
    }

    /// An axis with equal distances for tenfolds. Values ≤ 0 are not on it and leave gaps.
    #[must_use]
    pub fn log10(title: impl Into<String>) -> Self {
        Self::new(title, Scale::Log10)
    }

    fn new(title: impl Into<String>, scale: Scale) -> Self {
        Self {
            title: title.into(),
            unit: String::new(),
            scale,
            range: None,
        }
    }

    /// The unit, shown after the title: `tokens`.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// A fixed range instead of that of the data; what lies outside is cut off. Ignored where it is
    /// empty, not finite, or not on the scale.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// `Context length (tokens)`.
    pub(crate) fn full_title(&self) -> String {
        if self.unit.is_empty() {
            self.title.clone()
        } else {
            format!("{} ({})", self.title, self.unit)
        }
    }

    /// `4,096 tokens`.
    pub(crate) fn with_unit(&self, value: f64) -> String {
        let text = number::short(value, 6);
        if self.unit.is_empty() {
            text
        } else {
            format!("{text} {}", self.unit)
        }
    }

    /// The mapping of the values to the pixels `start..end`. Without a finite value on the scale it is
    /// that of 0..1 (linear) or 1..16 (logarithmic): an empty chart still has axes.
    pub(crate) fn mapping(
        &self,
        values: impl Iterator<Item = f64>,
        padding: f64,
        start: f64,
        end: f64,
    ) -> Mapping {
        let fixed = self.range.filter(|(low, high)| {
            low < high && self.scale.to(*low).is_some() && self.scale.to(*high).is_some()
        });
        let (low, high) = match fixed {
            Some((low, high)) => (self.scale.to(low), self.scale.to(high)),
            None => padded(
                bounds(values.filter_map(|v| self.scale.to(v))),
                padding,
                self.scale,
            ),
        };
        Mapping {
            scale: self.scale,
            low: low.unwrap_or(0.0),
            high: high.unwrap_or(1.0),
            start,
            end,
        }
    }
}

impl Scale {
    /// The value on the scale; `None` where it has no place.
    fn to(self, value: f64) -> Option<f64> {
        match self {
            Self::Linear => value.is_finite().then_some(value),
            Self::Log2 => (value.is_finite() && value > 0.0).then(|| value.log2()),
            Self::Log10 => (value.is_finite() && value > 0.0).then(|| value.log10()),
        }
    }

    fn back(self, position: f64) -> f64 {
        match self {
            Self::Linear => position,
            Self::Log2 => position.exp2(),
            Self::Log10 => 10_f64.powf(position),
        }
    }
}

/// The smallest and the greatest.
fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |bounds, value| match bounds {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// Widened by the fraction `padding` at both ends, and never empty: equal values get room around them.
fn padded(bounds: Option<(f64, f64)>, padding: f64, scale: Scale) -> (Option<f64>, Option<f64>) {
    let Some((low, high)) = bounds else {
        let high = if scale == Scale::Linear { 1.0 } else { 4.0 };
        return (Some(0.0), Some(high));
    };
    // Halves, because the span of two finite numbers may be infinite.
    let half_span = high / 2.0 - low / 2.0;
    let extra = if half_span > 0.0 {
        half_span * (2.0 * padding)
    } else if scale == Scale::Linear {
        (low.abs() * 0.05).max(if low == 0.0 { 1.0 } else { f64::MIN_POSITIVE })
    } else {
        0.5
    };
    (
        Some((low - extra).max(-f64::MAX)),
        Some((high + extra).min(f64::MAX)),
    )
}

/// From values to pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    scale: Scale,
    /// Ends of the range on the scale; `low < high`.
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

/// A value and what is written beside it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

impl Mapping {
    /// The pixel of a value; `None` where the value is not finite or not on the scale. Values outside
    /// the range get pixels outside, at most one length away: no number in the drawing is huge.
    pub(crate) fn at(&self, value: f64) -> Option<f64> {
        let position = self.scale.to(value)?;
        // Divided first: the difference of two finite numbers may be infinite.
        let size = self.low.abs().max(self.high.abs());
        let (low, high) = (self.low / size, self.high / size);
        let fraction = ((position / size - low) / (high - low)).clamp(-1.0, 2.0);
        Some(self.start + fraction * (self.end - self.start))
    }

    /// [`at`](Self::at), only for values within the range.
    pub(crate) fn inside(&self, value: f64) -> Option<f64> {
        let pixel = self.at(value)?;
        let (first, last) = (self.start.min(self.end), self.start.max(self.end));
        (pixel >= first - 1e-6 && pixel <= last + 1e-6).then_some(pixel)
    }

    /// About `count` ticks at round values.
    pub(crate) fn ticks(&self, count: usize) -> Vec<f64> {
        let count = count.max(2);
        let (low, high) = (self.scale.back(self.low), self.scale.back(self.high));
        match self.scale {
            Scale::Linear => linear_ticks(low, high, count),
            Scale::Log2 => {
                let powers = whole_numbers(self.low, self.high);
                if powers.len() < 2 {
                    linear_ticks(low, high, count)
                } else {
                    strided(&powers, count.max(12)).map(f64::exp2).collect()
                }
            }
            Scale::Log10 => decade_ticks(self.low, self.high, count),
        }
    }

    /// The ticks with labels for a horizontal axis: digits in full where they fit side by side, else
    /// `4k`, else every second, third … only, the others empty.
    pub(crate) fn horizontal_ticks(&self, count: usize, size: f64) -> Vec<Tick> {
        let values = self.ticks(count);
        let full = labels(&values);
        if self.fit(&values, &full, size) {
            return zip(&values, full);
        }
        let short: Vec<String> = match self.scale {
            Scale::Linear => full,
            _ => values
                .iter()
                .map(|v| number::compact(*v, self.scale == Scale::Log2))
                .collect(),
        };
        let stride = (1..values.len())
            .find(|stride| {
                let some: Vec<f64> = values.iter().copied().step_by(*stride).collect();
                let labels: Vec<String> = short.iter().step_by(*stride).cloned().collect();
                self.fit(&some, &labels, size)
            })
            .unwrap_or(values.len().max(1));
        let keep = |(index, label)| {
            if index % stride == 0 {
                label
            } else {
                String::new()
            }
        };
        zip(&values, short.into_iter().enumerate().map(keep).collect())
    }

    /// The ticks with labels for a vertical axis.
    pub(crate) fn vertical_ticks(&self, count: usize) -> Vec<Tick> {
        let values = self.ticks(count);
        let labels = labels(&values);
        zip(&values, labels)
    }

    fn fit(&self, values: &[f64], labels: &[String], size: f64) -> bool {
        let boxes: Vec<(f64, f64)> = values
            .iter()
            .zip(labels)
            .filter_map(|(value, label)| {
                Some((self.at(*value)?, width(label, size, Weight::Regular)))
            })
            .collect();
        boxes.windows(2).all(|pair| {
            let distance = (pair[1].0 - pair[0].0).abs();
            distance >= f64::midpoint(pair[0].1, pair[1].1) + 7.0
        })
    }
}

fn zip(values: &[f64], labels: Vec<String>) -> Vec<Tick> {
    values
        .iter()
        .zip(labels)
        .map(|(value, label)| Tick {
            value: *value,
            label,
        })
        .collect()
}

fn whole_numbers(low: f64, high: f64) -> Vec<f64> {
    // A thousandth of tolerance: log₂ of 4096 may come out a hair below 12.
    let (first, last) = ((low - 1e-3).ceil() as i32, (high + 1e-3).floor() as i32);
    (first..=last).map(f64::from).collect()
}

/// Every first, second, third … so that at most `count` are left.
fn strided(values: &[f64], count: usize) -> impl Iterator<Item = f64> {
    values
        .iter()
        .copied()
        .step_by(values.len().div_ceil(count).max(1))
}

/// Multiples of 1, 2 or 5 times a power of ten within the range.
fn linear_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let raw = high / count as f64 - low / count as f64;
    let step = nice_step(raw);
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    // At magnitudes where neighbouring floats are further apart than the step, there is nothing between.
    if !(first.is_finite() && last.is_finite()) || last - first > 4.0 * count as f64 || last < first
    {
        return vec![low, high];
    }
    let mut ticks: Vec<f64> = (0..=(last - first) as usize)
        .map(|index| round_to_step(first + index as f64, step))
        .collect();
    ticks.dedup_by(|a, b| a.total_cmp(b).is_eq());
    ticks
}

/// The nearest of 1, 2, 5 times a power of ten, by ratio.
fn nice_step(raw: f64) -> f64 {
    let power = number::exponent(raw);
    let far = |step: f64| (step.log10() - raw.log10()).abs();
    [(1.0, power), (2.0, power), (5.0, power), (1.0, power + 1)]
        .into_iter()
        .map(|(mantissa, power)| decimal(mantissa, power))
        .filter(|step| *step > 0.0 && step.is_finite())
        .min_by(|a, b| far(*a).total_cmp(&far(*b)))
        .unwrap_or(raw)
}

/// mantissa × 10^power, correctly rounded: 3 × 0.1 is not 0.3, the parsed text `3e-1` is.
fn decimal(mantissa: f64, power: i32) -> f64 {
    format!("{mantissa}e{power}").parse().unwrap_or(f64::NAN)
}

fn round_to_step(multiple: f64, step: f64) -> f64 {
    let power = number::exponent(step);
    let mantissa = (step / decimal(1.0, power)).round();
    let value = decimal(multiple * mantissa, power);
    if value.is_finite() && mantissa.is_finite() {
        value
    } else {
        multiple * step
    }
}

/// Powers of ten; over less than two decades also their 2- and 5-folds; over a small part of one,
/// round numbers at equal differences.
fn decade_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let decades = whole_numbers(low, high);
    if decades.len() > 2 {
        return strided(&decades, count.max(8))
            .map(|power| decimal(1.0, power as i32))
            .collect();
    }
    let fine: Vec<f64> = (low.floor() as i32..=high.ceil() as i32)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|mantissa| decimal(mantissa, power)))
        .filter(|value| (low - 1e-6..=high + 1e-6).contains(&value.log10()))
        .collect();
    if fine.len() > 2 {
        fine
    } else {
        linear_ticks(10_f64.powf(low), 10_f64.powf(high), count)
    }
}

/// The ticks as text, all with as many decimals as the finest needs.
pub(crate) fn labels(ticks: &[f64]) -> Vec<String> {
    let largest = ticks.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let is_linear_in_digits = ticks
        .iter()
        .filter(|v| v.abs() > 0.0)
        .all(|v| v.abs() >= largest * 1e-3);
    if is_linear_in_digits {
        return equal_decimals(ticks, largest);
    }
    // Over many magnitudes each number gets the digits it needs.
    let smallest = ticks
        .iter()
        .map(|v| v.abs())
        .filter(|v| *v > 0.0)
        .fold(f64::INFINITY, f64::min);
    let is_wide = largest >= 1e7 || smallest < 1e-4;
    ticks
        .iter()
        .map(|value| {
            if is_wide {
                number::scientific(*value, 2)
            } else {
                number::short(*value, 3)
            }
        })
        .collect()
}

fn equal_decimals(ticks: &[f64], largest: f64) -> Vec<String> {
    let step = ticks
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .filter(|step| *step > 0.0)
        .fold(f64::INFINITY, f64::min);
    let step = if step.is_finite() { step } else { largest };
    if (largest > 0.0 && largest < 1e-4) || largest >= 1e7 {
        let digits = (number::exponent(largest) - number::exponent(step)).clamp(0, 16);
        return ticks
            .iter()
            .map(|v| number::scientific(*v, digits as usize))
            .collect();
    }
    let decimals = (0..=15).find(|decimals| {
        let unit = decimal(1.0, -decimals);
        ticks
            .iter()
            .all(|v| ((v / unit).round() * unit - v).abs() < step * 0.01)
    });
    let decimals = decimals.unwrap_or(15) as usize;
    ticks.iter().map(|v| number::pretty(*v, decimals)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: &Axis, low: f64, high: f64) -> Vec<f64> {
        let mapping = axis.mapping([low, high].into_iter(), 0.0, 0.0, 600.0);
        mapping.ticks(6)
    }

    #[test]
    fn lengths_have_ticks_at_powers_of_two() {
        let axis = Axis::log2("Context length");
        assert_eq!(
            ticks(&axis, 128.0, 4096.0),
            [128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0]
        );
    }

    #[test]
    fn linear_ticks_are_multiples_of_one_two_or_five() {
        let axis = Axis::linear("y");
        let mut state = 1_u64;
        for _ in 0..500 {
            let mut uniform = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / 2_f64.powi(53)
            };
            let low = (uniform() - 0.5) * 10_f64.powf(uniform() * 12.0 - 6.0);
            let high = low + 10_f64.powf(uniform() * 8.0 - 4.0);
            let ticks = ticks(&axis, low, high);
            assert!((2..=13).contains(&ticks.len()), "{low} {high} {ticks:?}");
            for pair in ticks.windows(2) {
                let step = pair[1] - pair[0];
                let mantissa = step / 10_f64.powf(step.log10().floor());
                let is_nice = [1.0, 2.0, 5.0, 10.0]
                    .iter()
                    .any(|nice| (mantissa / nice - 1.0).abs() < 1e-3);
                assert!(is_nice, "{low} {high} {ticks:?}");
            }
            assert!(ticks.iter().all(|t| (low..=high).contains(t)), "{ticks:?}");
            let mut labels = labels(&ticks);
            labels.dedup();
            assert_eq!(labels.len(), ticks.len(), "{ticks:?} {labels:?}");
        }
    }

    #[test]
    fn extremes_do_not_divide_by_zero_or_overflow() {
        for axis in [Axis::linear("y"), Axis::log2("y"), Axis::log10("y")] {
            for (low, high) in [
                (0.0, 0.0),
                (3.0, 3.0),
                (-f64::MAX, f64::MAX),
                (f64::MAX, f64::MAX),
                (5e-324, 5e-324),
                (5e-324, 1e308),
                (1e16, 1e16 + 2.0),
                (1e-300, 2e-300),
            ] {
                let mapping = axis.mapping([low, high].into_iter(), 0.05, 0.0, 100.0);
                for value in mapping.ticks(5).into_iter().chain([low, high]) {
                    if let Some(pixel) = mapping.at(value) {
                        assert!(pixel.is_finite(), "{axis:?} {low} {high} {value}");
                    }
                }
                assert!(mapping.ticks(5).len() < 40);
            }
        }
    }

    #[test]
    fn labels_have_the_digits_that_tell_them_apart() {
        assert_eq!(labels(&[0.0, 0.5, 1.0]), ["0.0", "0.5", "1.0"]);
        assert_eq!(labels(&[99.8, 100.0, 100.2]), ["99.8", "100.0", "100.2"]);
        assert_eq!(labels(&[1e4, 1e5, 1e6]), ["10,000", "100,000", "1,000,000"]);
        assert_eq!(labels(&[1e-9, 1e3]), ["10⁻⁹", "10³"]);
        assert_eq!(labels(&[-2e8, 0.0, 2e8]), ["−2×10⁸", "0", "2×10⁸"]);
    }
}
