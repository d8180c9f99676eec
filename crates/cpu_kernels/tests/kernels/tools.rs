//! What the tests share.

/// `length` numbers, uniform in `-magnitude..magnitude`, the same for the same seed.
pub fn random(seed: u64, length: usize, magnitude: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0) * magnitude
    };
    (0..length).map(|_| next()).collect()
}

/// `length` numbers below `limit`.
pub fn random_ids(seed: u64, length: usize, limit: usize) -> Vec<i32> {
    random(seed, length, 1.0)
        .into_iter()
        .map(|x| ((f32::midpoint(x, 1.0) * limit as f32) as usize).min(limit - 1) as i32)
        .collect()
}

/// A slice's content before a kernel writes it: must not show in the result.
pub fn dirty(length: usize) -> Vec<f32> {
    vec![f32::NAN; length]
}

pub fn double(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// Every difference is at most `tolerance` times the largest expected magnitude.
#[track_caller]
pub fn assert_close(name: &str, actual: &[f32], expected: &[f64], tolerance: f64) {
    let largest = expected.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    assert_within(name, actual, expected, tolerance * largest);
}

/// Every difference is at most `error`.
#[track_caller]
pub fn assert_within(name: &str, actual: &[f32], expected: &[f64], error: f64) {
    assert_eq!(actual.len(), expected.len(), "{name}: length");
    for (i, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(actual) - expected).abs() <= error,
            "{name}[{i}]: {actual:e} instead of {expected:e} up to {error:e}"
        );
    }
}

/// Derivative of `f` at `at` by every element, by central differences.
pub fn differences(at: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let step = 1e-5;
    let moved = |i: usize, by: f64| {
        let mut at = at.to_vec();
        at[i] += by;
        f(&at)
    };
    (0..at.len())
        .map(|i| (moved(i, step) - moved(i, -step)) / (2.0 * step))
        .collect()
}

/// Runs `f` on one thread, on all, and in pools of 1 and 3 threads: the bits must be the same.
pub fn assert_same_on_any_threads(f: impl Fn() -> Vec<Vec<f32>> + Sync + Send) {
    let bits = |outputs: Vec<Vec<f32>>| -> Vec<Vec<u32>> {
        let bits = |output: Vec<f32>| output.into_iter().map(f32::to_bits).collect();
        outputs.into_iter().map(bits).collect()
    };
    let expected = bits(cpu_kernels::serially(&f));
    assert!(bits(f()) == expected, "default pool");
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert!(bits(pool.install(&f)) == expected, "{threads} threads");
    }
}

/// Sum of the products: a scalar of a tensor, whose gradient by it is `weights`.
pub fn weighted_sum(values: &[f64], weights: &[f32]) -> f64 {
    values
        .iter()
        .zip(weights)
        .map(|(value, &weight)| value * f64::from(weight))
        .sum()
}
