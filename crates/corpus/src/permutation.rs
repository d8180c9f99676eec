//! Shuffling without memory: a keyed bijection of 0..n that is computed, not stored.

use crate::hash::{mix, split_mix_64};

/// Four rounds make a Feistel network pseudo-random given ideal round functions (Luby and Rackoff,
/// 1988); more are cheap, and small domains need them.
const ROUNDS: usize = 8;

/// A pseudo-random permutation of `0..n`, keyed by a seed and an epoch.
///
/// A balanced Feistel network on the smallest even number of bits that holds `n`, its round
/// function [`split_mix_64`]; values that fall outside `0..n` are fed through again until they fall
/// inside ("cycle walking", Black and Rogaway, 2002), at most four times on average. Constant
/// memory, any element in constant time, the same on every platform.
#[derive(Clone, Debug)]
pub struct Permutation {
    n: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// The permutation of `0..n` for this seed and epoch.
    pub fn new(n: u64, seed: u64, epoch: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        Self {
            n,
            half_bits: bits.div_ceil(2).max(1),
            keys: std::array::from_fn(|round| mix(&[seed, epoch, round as u64])),
        }
    }

    /// The number of elements.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The image of `index`.
    ///
    /// # Panics
    /// When `index` is not in `0..n`, as slices do.
    pub fn apply(&self, index: u64) -> u64 {
        assert!(
            index < self.n,
            "index {index} of a permutation of {}",
            self.n
        );
        let mut value = self.encrypt(index);
        // Ends: the cycle that leads out of 0..n must lead back into it, at `index` at the latest.
        while value >= self.n {
            value = self.encrypt(value);
        }
        value
    }

    fn encrypt(&self, value: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (split_mix_64(right ^ key) & mask));
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn images(n: u64, seed: u64, epoch: u64) -> Vec<u64> {
        let permutation = Permutation::new(n, seed, epoch);
        (0..n).map(|i| permutation.apply(i)).collect()
    }

    fn is_bijection(images: &[u64]) -> bool {
        let mut sorted = images.to_vec();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..images.len() as u64)
    }

    #[test]
    fn every_small_size_is_a_bijection() {
        for n in 0..300 {
            assert!(is_bijection(&images(n, 7, n)), "n = {n}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_size_and_key_is_a_bijection(n in 1_u64..20_000, seed: u64, epoch: u64) {
            prop_assert!(is_bijection(&images(n, seed, epoch)));
        }

        #[test]
        fn huge_sizes_stay_in_range_and_do_not_collide(n in 1_u64 << 40..u64::MAX, seed: u64) {
            let permutation = Permutation::new(n, seed, 0);
            let mut some: Vec<u64> = (0..64).map(|i| permutation.apply(n - 1 - i)).collect();
            prop_assert!(some.iter().all(|image| *image < n));
            some.sort_unstable();
            some.dedup();
            prop_assert_eq!(some.len(), 64);
        }
    }

    #[test]
    fn seeds_and_epochs_give_other_orders() {
        let first = images(1_000, 1, 0);
        assert_eq!(first, images(1_000, 1, 0));
        assert_ne!(first, images(1_000, 2, 0));
        assert_ne!(first, images(1_000, 1, 1));
        assert_ne!(first, (0..1_000).collect::<Vec<_>>());
    }

    /// Over 10 000 keys each of 5 elements should come first about 2 000 times.
    #[test]
    fn first_place_is_uniform_over_keys() {
        let mut count = [0_u32; 5];
        for seed in 0..10_000 {
            count[Permutation::new(5, seed, 3).apply(0) as usize] += 1;
        }
        // Standard deviation of a binomial: sqrt(10 000 · 0.2 · 0.8) = 40.
        assert!(count.iter().all(|c| c.abs_diff(2_000) < 200), "{count:?}");
    }

    #[test]
    #[should_panic(expected = "index 3 of a permutation of 3")]
    fn out_of_range_panics() {
        Permutation::new(3, 0, 0).apply(3);
    }
}
