//! An interval over seeds and documents at once.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::interval::{Interval, percentile_interval};
use crate::paired::Paired;

/// Resamples that settle both ends of an interval to about 3% of the effect's standard error.
pub const RESAMPLES: usize = 10_000;

/// Every comparison starts its draws here.
const SEED: u64 = 0x5EED;

impl Paired {
    /// A 95% interval of the effect by the pigeonhole bootstrap (Owen, "The pigeonhole bootstrap",
    /// Annals of Applied Statistics 1(2), 2007), in nats per token.
    ///
    /// Seeds and documents are crossed, as every seed is evaluated on every document. A resample
    /// draws as many seeds as there are, with replacement, and independently of them as many
    /// documents; a drawn document is drawn for all seeds. With wₛ and vⱼ the times that seed s
    /// and document j were drawn, it has the effect Σₛⱼ wₛ vⱼ dₛⱼ / (Σₛ wₛ · Σⱼ vⱼ nⱼ). The
    /// interval goes from the 2.5th to the 97.5th percentile of `resamples` of them; [`RESAMPLES`]
    /// are enough.
    ///
    /// The draws have a fixed seed and depend only on how many seeds and documents there are, so
    /// variants with the same counts share them, and the same numbers give the same interval.
    ///
    /// # What it covers
    /// How the effect would move with other seeds and other documents of the same kind, both at
    /// once. With one seed it covers documents only, with one document seeds only. It does not
    /// cover other corpora, model sizes or hyper-parameters.
    ///
    /// # How far to trust it
    /// It is conservative in what is peculiar to a pair of seed and document, about right for many
    /// documents, and **not** conservative with few seeds. Let S seeds and D documents of equal
    /// length have the variances σₛ² between seeds, σⱼ² between documents and, beyond these two, σ²
    /// between pairs, in nats per token. The effect then has the variance
    /// σₛ²/S + σⱼ²/D + σ²/(SD), and the bootstrap's expected variance is
    ///
    /// ```text
    /// (1 − 1/S) σₛ²/S + (1 − 1/D) σⱼ²/D + (3 − 2/S − 2/D + 1/(SD)) σ²/(SD)
    /// ```
    ///
    /// The last term is up to three times too large, so where pairs are noisy the interval is too
    /// wide, by at most √3. The first is too small by 1/S, and percentiles know nothing of the
    /// heavier tails of a t distribution. Where seeds differ most, three of them give the interval
    /// from the smallest to the largest, which covers in 3 cases of 4, and two in 1 of 2. Read it
    /// beside [`crate::t_interval`], which is right for few seeds but takes the documents as given.
    ///
    /// `None` when there is nothing to resample: one seed and one document, or no resamples.
    pub fn bootstrap_interval(&self, resamples: usize) -> Option<Interval> {
        if resamples == 0 || (self.seeds() == 1 && self.documents() == 1) {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let mut seeds = vec![0.0; self.seeds()];
        let mut documents = vec![0.0; self.documents()];
        let effects = (0..resamples).map(|_| {
            draw_with_replacement(&mut rng, &mut seeds);
            draw_with_replacement(&mut rng, &mut documents);
            self.weighted_effect(&seeds, &documents)
        });
        Some(percentile_interval(effects.collect()))
    }
}

/// Draws as many elements as `counts` has, and counts how often each was drawn.
fn draw_with_replacement(rng: &mut impl RngCore, counts: &mut [f64]) {
    counts.fill(0.0);
    for _ in 0..counts.len() {
        counts[below(rng, counts.len())] += 1.0;
    }
}

/// Uniform in `0..n` by the multiply-shift method; its bias of at most n/2^64 is nothing here.
fn below(rng: &mut impl RngCore, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_drawn_equally_often() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut counts, mut sums) = ([0.0; 7], [0.0; 7]);
        for _ in 0..20_000 {
            draw_with_replacement(&mut rng, &mut counts);
            assert!((counts.iter().sum::<f64>() - 7.0).abs() < 1e-12);
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count / 20_000.0;
            }
        }
        // A mean count has the standard error √(6/7 / 20 000) = 0.0065.
        assert!(
            sums.iter().all(|mean| (mean - 1.0).abs() < 0.033),
            "{sums:?}"
        );
    }

    /// Variance of the resampled effect, exactly: Σ (E[wₛ wₜ] E[vⱼ vₖ] − 1) dₛⱼ dₜₖ / (SD)²
    /// with E[wₛ wₜ] = 1 − 1/S, and 1 more where s = t, documents likewise; one token each.
    fn exact_variance(differences: &[Vec<f64>]) -> f64 {
        let (seeds, documents) = (differences.len(), differences[0].len());
        let second_moment = |same: bool, n: usize| f64::from(u8::from(same)) + 1.0 - 1.0 / n as f64;
        let mut sum = 0.0;
        for (s, row) in differences.iter().enumerate() {
            for (t, other) in differences.iter().enumerate() {
                for (j, x) in row.iter().enumerate() {
                    for (k, y) in other.iter().enumerate() {
                        let moments =
                            second_moment(s == t, seeds) * second_moment(j == k, documents);
                        sum += (moments - 1.0) * x * y;
                    }
                }
            }
        }
        sum / (seeds * documents).pow(2) as f64
    }

    #[test]
    fn resamples_vary_as_two_independent_multinomials_do() {
        let differences = vec![
            vec![1.0, -0.5, 2.0, 0.3, 0.1],
            vec![2.5, 0.0, 1.5, 1.0, -1.0],
            vec![0.5, -2.0, 3.0, 0.0, 1.0],
        ];
        let expected = exact_variance(&differences);
        let paired = Paired::new(differences, &[1; 5]).expect("paired");
        let mean = paired.effect().mean;
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (mut seeds, mut documents) = ([0.0; 3], [0.0; 5]);
        let samples = 100_000;
        let mut variance = 0.0;
        for _ in 0..samples {
            draw_with_replacement(&mut rng, &mut seeds);
            draw_with_replacement(&mut rng, &mut documents);
            let deviation = paired.weighted_effect(&seeds, &documents) - mean;
            variance += deviation.powi(2) / f64::from(samples);
        }
        // A variance over 100 000 samples has a relative standard error of about 0.5%.
        assert!(
            (variance / expected - 1.0).abs() < 0.02,
            "{variance} {expected}"
        );
    }
}
