//! Random numbers that are a pure function of what they are for.

/// Keeps the numbers of this crate apart from others made of the same seed.
const TASKS: u64 = 0x74_6173_6B73; // "tasks"

/// Which samples are drawn: no model is measured on the sequence of samples it was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Samples to train on.
    Train,
    /// Samples to measure with.
    Evaluation,
}

/// Steele, Lea and Flood's `SplitMix64` (2014): small, fixed, the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of one sample.
    pub fn of_sample(kind: &str, stream: Stream, seed: u64, index: u64, length: usize) -> Self {
        let kind = mix(kind.bytes().map(u64::from));
        let stream = match stream {
            Stream::Train => 0,
            Stream::Evaluation => 1,
        };
        Self(mix([TASKS, kind, stream, seed, index, length as u64]))
    }

    /// Numbers that are the same for every seed.
    pub fn fixed(purpose: u64) -> Self {
        Self(mix([TASKS, purpose]))
    }

    fn next(&mut self) -> u64 {
        let output = split_mix_64(self.0);
        self.0 = self.0.wrapping_add(INCREMENT);
        output
    }

    /// Uniform in `0..n` by the multiply-shift method; its bias of at most n/2^64 is nothing here.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Uniform in the open interval (0, 1).
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// `count` different numbers of `0..n` in random order (Fisher and Yates, stopped early).
    pub fn choose(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for place in 0..count {
            let other = place + self.below(n - place);
            all.swap(place, other);
        }
        all.truncate(count);
        all
    }

    /// [`Self::choose`], in ascending order.
    pub fn choose_sorted(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut chosen = self.choose(n, count);
        chosen.sort_unstable();
        chosen
    }
}

const INCREMENT: u64 = 0x9E37_79B9_7F4A_7C15;

/// The generator's output for the state `x`, a bijection of 64-bit integers.
fn split_mix_64(x: u64) -> u64 {
    let z = x.wrapping_add(INCREMENT);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One hash of several numbers, in which their order matters.
fn mix(parts: impl IntoIterator<Item = u64>) -> u64 {
    parts
        .into_iter()
        .fold(0, |state, part| split_mix_64(state ^ split_mix_64(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_the_published_ones() {
        // Vigna's splitmix64.c seeded with 1234567.
        let mut random = Random(1_234_567);
        let outputs: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(
            outputs,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
            ]
        );
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let first = |kind, stream, seed, index, length| {
            Random::of_sample(kind, stream, seed, index, length).next()
        };
        let base = first("copy", Stream::Train, 1, 2, 3);
        assert_eq!(base, first("copy", Stream::Train, 1, 2, 3));
        assert_ne!(base, first("mqar", Stream::Train, 1, 2, 3));
        assert_ne!(base, first("copy", Stream::Evaluation, 1, 2, 3));
        assert_ne!(base, first("copy", Stream::Train, 2, 2, 3));
        assert_ne!(base, first("copy", Stream::Train, 1, 3, 3));
        assert_ne!(base, first("copy", Stream::Train, 1, 2, 4));
        assert_ne!(base, first("copy", Stream::Train, 2, 1, 3));
    }

    /// 6 000 draws of 3 out of 6 in order: each of the 120 arrangements about 50 times.
    #[test]
    fn choices_are_uniform() {
        let mut random = Random::fixed(0);
        let mut count = std::collections::BTreeMap::new();
        for _ in 0..6_000 {
            *count.entry(random.choose(6, 3)).or_insert(0.0) += 1.0;
        }
        assert_eq!(count.len(), 120);
        let chi_squared: f64 = count.values().map(|c| (c - 50.0_f64).powi(2) / 50.0).sum();
        // 119 degrees of freedom: mean 119, standard deviation 15.4.
        assert!((chi_squared - 119.0).abs() < 62.0, "{chi_squared}");
    }

    #[test]
    fn units_stay_inside_and_fill_the_interval() {
        let mut random = Random::fixed(1);
        let units: Vec<f64> = (0..10_000).map(|_| random.unit()).collect();
        assert!(units.iter().all(|u| 0.0 < *u && *u < 1.0));
        let mean = units.iter().sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.015, "{mean}");
    }
}
