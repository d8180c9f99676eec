//! How far two results are apart, and how far they may be.

use std::fmt;

use burn::tensor::{Device, Gradients, Tensor};

use crate::precision::Precision;

/// Rows that are compared together. The norm of a whole result would hide one wrong tile of a long sequence.
const BLOCK: usize = 64;

/// In f32 kernels differ by rounding, 1e-6 or so; rounding to TF32 anywhere is 1.5e-4 and more.
const F32: f64 = 5e-5;

/// In bf16 attention and products are off by 2e-3 to 4.5e-3: the rounding of what they multiply and of what
/// they return, emulated for head sizes 64 to 256 and up to 2,080 tokens.
const BF16: f64 = 1e-2;

/// One result of one operation on a device, compared with the CPU's in f32.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelCheck {
    /// The operation and its shape.
    pub operation: String,
    /// Which of its results.
    pub result: &'static str,
    /// The largest of `‖found - expected‖ / ‖expected‖` over blocks of 64 rows; NaN if something is.
    pub apart: f64,
    /// The largest that rounding explains.
    pub tolerance: f64,
}

impl KernelCheck {
    /// Whether the device's result is the CPU's, rounding apart.
    pub fn passed(&self) -> bool {
        self.apart <= self.tolerance
    }
}

impl fmt::Display for KernelCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            result,
            apart,
            tolerance,
        } = self;
        write!(
            f,
            "{operation}, {result}: off by {apart:.1e} of {tolerance:.0e} allowed"
        )
    }
}

/// The largest difference that rounding to `precision` explains.
pub(super) fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => F32,
        Precision::Bf16 => BF16,
    }
}

/// A result: its name, its values, and how many of them are a row.
pub(super) type Outcome = (&'static str, Vec<f32>, usize);

/// The results of an operation on a device beside those of the CPU.
pub(super) fn compare(
    operation: &str,
    tolerance: f64,
    expected: Vec<Outcome>,
    found: Vec<Outcome>,
) -> Vec<KernelCheck> {
    expected
        .into_iter()
        .zip(found)
        .map(|((result, expected, row), (_, found, _))| KernelCheck {
            operation: operation.to_owned(),
            result,
            apart: apart(&expected, &found, row),
            tolerance,
        })
        .collect()
}

/// The same operation on the CPU and on `device`, compared.
pub(super) fn compare_on(
    device: &Device,
    operation: &str,
    tolerance: f64,
    outcomes: impl Fn(&Device) -> Vec<Outcome>,
) -> Vec<KernelCheck> {
    let expected = outcomes(&Device::flex().autodiff());
    let found = outcomes(&device.clone().inner().autodiff());
    compare(operation, tolerance, expected, found)
}

/// The values of a tensor.
pub(super) fn values<const R: usize>(x: Tensor<R>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// The values of the gradient of `x`; none if there is no gradient, which no comparison survives.
pub(super) fn gradient<const R: usize>(x: &Tensor<R>, gradients: &Gradients) -> Vec<f32> {
    x.grad(gradients).map(values).unwrap_or_default()
}

/// The largest relative difference of a block of rows of `row` values.
fn apart(expected: &[f32], found: &[f32], row: usize) -> f64 {
    if expected.len() != found.len() {
        return f64::NAN;
    }
    let block = BLOCK * row.max(1);
    let blocks = expected.chunks(block).zip(found.chunks(block));
    let apart = blocks.map(|(expected, found)| relative_difference(expected, found));
    // `f64::max` would drop a NaN.
    apart.fold(0.0, |largest, apart| {
        if apart > largest || apart.is_nan() {
            apart
        } else {
            largest
        }
    })
}

fn relative_difference(expected: &[f32], found: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let size: f64 = expected.iter().map(|x| square(f64::from(*x))).sum();
    let pairs = expected.iter().zip(found);
    let difference: f64 = pairs
        .map(|(a, b)| square(f64::from(*a) - f64::from(*b)))
        .sum();
    // Rows of an embedding that no token names have a gradient of exactly zero.
    if difference == 0.0 {
        0.0
    } else {
        (difference / size).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_relative_to_their_block() {
        let expected = vec![1.0; 3 * BLOCK];
        let mut found = expected.clone();
        assert!(apart(&expected, &found, 1) <= 0.0);
        found[2 * BLOCK + 1] = 2.0;
        let in_its_block = (BLOCK as f64).powf(-0.5);
        assert!((apart(&expected, &found, 1) - in_its_block).abs() < 1e-12);
    }

    #[test]
    fn what_is_missing_or_not_a_number_does_not_pass() {
        let check = |found: &[f32]| KernelCheck {
            operation: "product".to_owned(),
            result: "output",
            apart: apart(&[1.0, -2.0], found, 1),
            tolerance: BF16,
        };
        assert!(check(&[1.001, -2.0]).passed());
        for found in [
            &[1.1, -2.0][..],
            &[f32::NAN, -2.0],
            &[1.0],
            &[],
            &[0.0, 0.0],
        ] {
            assert!(!check(found).passed(), "{found:?}");
        }
    }

    #[test]
    fn a_nan_in_an_early_block_is_kept() {
        let expected = vec![1.0; 2 * BLOCK];
        let mut found = expected.clone();
        found[0] = f32::NAN;
        assert!(apart(&expected, &found, 1).is_nan());
    }

    #[test]
    fn something_where_nothing_should_be_does_not_pass() {
        assert!(apart(&[0.0; 4], &[0.0, 0.0, 1e-30, 0.0], 1).is_infinite());
    }

    #[test]
    fn a_check_says_what_and_how_far() {
        let check = KernelCheck {
            operation: "attention".to_owned(),
            result: "gradient of keys",
            apart: 0.003_12,
            tolerance: BF16,
        };
        assert_eq!(
            check.to_string(),
            "attention, gradient of keys: off by 3.1e-3 of 1e-2 allowed"
        );
    }
}
