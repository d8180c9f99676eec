//! 95% intervals by a hierarchical bootstrap: documents, then windows within each.

use serde::{Deserialize, Serialize};

/// What one window contributed at one context length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowScore {
    /// Index of the window's document in [`crate::Evaluation::documents`].
    pub document: usize,
    /// Sum of the negative log-likelihoods of its scored tokens, in nats.
    pub nll: f64,
}

/// A two-sided 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// Interval of the perplexity of windows that score `tokens` tokens each.
///
/// Documents are drawn with replacement, then windows within each drawn document: windows of one book
/// are not independent samples of English. The draws depend on `windows` only through the counts,
/// so all context lengths, and all models evaluated on the same text, share them.
pub(crate) fn perplexity_interval(
    windows: &[WindowScore],
    tokens: usize,
    samples: usize,
) -> Option<Interval> {
    let by_document = group(windows);
    if samples == 0 || windows.len() < 2 {
        return None;
    }
    let mut draws = SplitMix64(0x5EED);
    let mut perplexities: Vec<f64> = (0..samples)
        .map(|_| resampled_perplexity(&by_document, tokens, &mut draws))
        .collect();
    perplexities.sort_by(f64::total_cmp);
    Some(Interval {
        low: quantile(&perplexities, 0.025),
        high: quantile(&perplexities, 0.975),
    })
}

fn group(windows: &[WindowScore]) -> Vec<Vec<f64>> {
    let documents = windows.iter().map(|w| w.document + 1).max().unwrap_or(0);
    let mut groups = vec![Vec::new(); documents];
    for window in windows {
        groups[window.document].push(window.nll);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn resampled_perplexity(documents: &[Vec<f64>], tokens: usize, draws: &mut SplitMix64) -> f64 {
    let (mut nll, mut count) = (0.0, 0usize);
    for _ in 0..documents.len() {
        let windows = &documents[draws.below(documents.len())];
        for _ in 0..windows.len() {
            nll += windows[draws.below(windows.len())];
            count += tokens;
        }
    }
    (nll / count as f64).exp()
}

/// Linear interpolation between order statistics, as numpy's default.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * at.fract()
}

/// Steele, Lea and Flood's `SplitMix64`: small, fixed, the same on every machine.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in `0..n` by the multiply-shift method; its bias of at most n/2^64 is nothing here.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(document: usize, nll: f64) -> WindowScore {
        WindowScore { document, nll }
    }

    #[test]
    fn equal_windows_give_an_interval_of_no_width() {
        let windows = vec![score(0, 20.0), score(0, 20.0), score(1, 20.0)];
        let interval = perplexity_interval(&windows, 10, 200).expect("enough windows");
        assert!((interval.low - 2f64.exp()).abs() < 1e-9);
        assert!((interval.high - 2f64.exp()).abs() < 1e-9);
    }

    #[test]
    fn spread_between_documents_widens_the_interval_more_than_within() {
        let within: Vec<_> = (0..40)
            .map(|i| score(i / 10, 10.0 + f64::from(u8::from(i % 2 == 0))))
            .collect();
        let between: Vec<_> = (0..40)
            .map(|i| score(i / 10, 10.0 + f64::from(u8::from(i / 10 % 2 == 0))))
            .collect();
        let width = |w: &[WindowScore]| {
            let i = perplexity_interval(w, 10, 2000).expect("enough windows");
            i.high - i.low
        };
        assert!(width(&between) > 2.0 * width(&within));
    }

    #[test]
    fn mean_of_normals_is_covered_as_theory_says() {
        // 64 one-window documents of nll 10 and 12: the mean's standard error is 1/8, so the
        // log-perplexity per token (10 tokens) has a 95% interval of about 1.1 ± 1.96/80.
        let windows: Vec<_> = (0..64)
            .map(|i| score(i, if i % 2 == 0 { 10.0 } else { 12.0 }))
            .collect();
        let interval = perplexity_interval(&windows, 10, 20_000).expect("enough windows");
        assert!(
            (interval.low.ln() - (1.1 - 0.0245)).abs() < 2e-3,
            "{interval:?}"
        );
        assert!(
            (interval.high.ln() - (1.1 + 0.0245)).abs() < 2e-3,
            "{interval:?}"
        );
    }

    #[test]
    fn quantiles_interpolate() {
        assert!((quantile(&[1.0, 2.0, 4.0], 0.75) - 3.0).abs() < 1e-12);
    }
}
