//! Elementary functions without branches, so that loops over them become vector code.

/// Parallel partial sums of a vectorised sum: one AVX-512 register of `f32`.
const LANES: usize = 16;

/// `e^x` to 1.5 units in the last place; 0 below -87.3 (where the result would be subnormal), and
/// `e^88.37` above 88.37. NaN stays NaN.
///
/// `2^n * e^r` with `n` the integer nearest to `x / ln 2`; `e^r` by the polynomial of degree 6 that has
/// the least relative error (3e-9) on `|r| <= ln(2)/2` among those that begin with `1 + r`.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer, which then is in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts: n times the first is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const SMALLEST: f32 = -87.3;
    // The largest x whose n is 127, the largest exponent.
    const LARGEST: f32 = 88.37;
    let clamped = x.clamp(SMALLEST, LARGEST);
    let rounded = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, clamped));
    let p = 1.381_453_8e-3;
    let p = r.mul_add(p, 8.368_745e-3);
    let p = r.mul_add(p, 4.166_839e-2);
    let p = r.mul_add(p, 0.166_665_21);
    let p = r.mul_add(p, 0.499_999_94);
    let p = r.mul_add(p, 1.0);
    let p = r.mul_add(p, 1.0);
    // 2^n: n moved into the exponent, plus the exponent's bias.
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    if x < SMALLEST { 0.0 } else { p * power }
}

/// `tanh(x)` to 3 units in the last place.
///
/// By `1 - 2 / (e^2|x| + 1)`, which cancels near 0, where the odd polynomial of Cephes' `tanhf` takes
/// its place.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    let square = x * x;
    let p = -5.704_988_7e-3;
    let p = square.mul_add(p, 2.063_908_8e-2);
    let p = square.mul_add(p, -5.373_971_5e-2);
    let p = square.mul_add(p, 0.133_314_42);
    let p = square.mul_add(p, -0.333_332_8);
    let small = (p * square).mul_add(x, x);
    let large = (1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0)).copysign(x);
    if magnitude < 0.625 { small } else { large }
}

/// `1 / (1 + e^-x)` to 3 units in the last place above -87; below, at most 2e-38.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Sum of `f(i)` for `i < length` in 16 interleaved parts: the order that vector code wants, whatever
/// the width of its registers.
#[inline(always)]
pub(crate) fn sum(length: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut parts = [0.0f32; LANES];
    let whole = length / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, part) in parts.iter_mut().enumerate() {
            *part += f(start + lane);
        }
    }
    let mut rest = 0.0;
    for i in whole..length {
        rest += f(i);
    }
    total(parts) + rest
}

/// Sum of `a[i] * b[i]`, in the order of [`sum`].
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut parts = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            parts[lane] = a[lane].mul_add(b[lane], parts[lane]);
        }
    }
    let mut rest = 0.0f32;
    for (a, b) in a_rest.iter().zip(b_rest) {
        rest = a.mul_add(*b, rest);
    }
    total(parts) + rest
}

/// Sum of the lanes, by halves.
#[inline(always)]
fn total(mut parts: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            parts[lane] += parts[lane + width];
        }
        width /= 2;
    }
    parts[0]
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "special values are exact")]
mod tests {
    use super::*;

    /// Distance in units in the last place of the exact value rounded to f32.
    fn ulps(value: f32, exact: f64) -> f64 {
        let rounded = exact as f32;
        let spacing = f64::from(rounded.next_up()) - f64::from(rounded);
        ((f64::from(value) - exact) / spacing).abs()
    }

    /// Every 509th finite f32 with `low <= x <= high`, both signs.
    fn samples(low: f32, high: f32) -> impl Iterator<Item = f32> {
        (0..=u32::MAX)
            .step_by(509)
            .map(f32::from_bits)
            .chain([low, high])
            .filter(move |x| (low..=high).contains(x))
    }

    fn worst(low: f32, high: f32, f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> f64 {
        let (error, at) = samples(low, high)
            .map(|x| (ulps(f(x), exact(f64::from(x))), x))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap();
        println!("worst on {low}..{high}: {error:.3} ulp at {at:e}");
        error
    }

    #[test]
    fn exp_is_within_its_stated_error() {
        assert!(worst(-87.3, 88.37, exp, f64::exp) < 1.5);
    }

    #[test]
    fn exp_saturates_and_keeps_nan() {
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1e4), 0.0);
        assert_eq!(exp(-87.4), 0.0);
        assert_eq!(exp(0.0), 1.0);
        let most = exp(88.37);
        assert!(most.is_finite());
        assert_eq!(exp(1e4), most);
        assert_eq!(exp(f32::INFINITY), most);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_is_within_its_stated_error() {
        assert!(worst(-1e30, 1e30, tanh, f64::tanh) < 3.0);
        assert_eq!(tanh(f32::INFINITY), 1.0);
        assert_eq!(tanh(f32::NEG_INFINITY), -1.0);
        assert!(tanh(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_is_within_its_stated_error() {
        let exact = |x: f64| 1.0 / (1.0 + (-x).exp());
        assert!(worst(-87.0, 1e30, sigmoid, exact) < 3.0);
        assert!((0.0..=2e-38).contains(&sigmoid(-1e30)));
        assert!(sigmoid(f32::NAN).is_nan());
    }

    #[test]
    fn sums_of_every_length_are_whole() {
        for length in 0..70 {
            let values: Vec<f32> = (0..length).map(|i| (i + 1) as f32).collect();
            let exact = (length * (length + 1) / 2) as f32;
            assert_eq!(sum(length, |i| values[i]), exact);
            assert_eq!(dot(&values, &vec![1.0; length]), exact);
        }
    }
}
