//! What the numbers say, in sentences.

use crate::heads::{HeadScores, Kind, best};
use crate::spectra::{LayerSpectrum, tokens};
use crate::{Anatomy, Damage, band};

/// `L2H5`.
pub(crate) fn head(layer: usize, head: usize) -> String {
    format!("L{layer}H{head}")
}

/// The finding in a few sentences.
pub(crate) fn headline(anatomy: &Anatomy) -> String {
    let mut sentences = Vec::new();
    if let Some(best) = best(&anatomy.heads, Kind::Previous, 1).first() {
        sentences.push(format!(
            "The head that attends most to the token before is {}, with {:.0}% of its attention.",
            head(best.layer, best.head),
            100.0 * best.previous
        ));
    }
    let ablation = &anatomy.ablation;
    sentences.push(match worst(&ablation.removed) {
        Some((index, worst)) => format!(
            "Taking one band of pairs out of all layers' logits costs most for {}: {:+.3} nats a token on a loss of {:.2}.",
            in_words(&band_label(anatomy, index)),
            worst.loss,
            ablation.baseline.loss
        ),
        None => "Taking any one band of pairs out of all layers' logits changes the loss by no more than its interval over windows."
            .to_owned(),
    });
    let rotated = anatomy
        .spectra
        .iter()
        .any(|spectrum| spectrum.rotated() > 0);
    sentences.push(match worst(&ablation.unrotated) {
        _ if !rotated => "No pair of this decoder is rotated.".to_owned(),
        Some((index, damage)) => format!(
            "Leaving a band unrotated costs most for {}: {:+.3}.",
            in_words(&band_label(anatomy, index)),
            damage.loss
        ),
        None => format!(
            "Leaving a single band unrotated costs nothing that {} windows can show.",
            ablation.windows
        ),
    });
    sentences.join(" ")
}

/// The band whose loss costs most, of those whose interval excludes 0.
fn worst(damages: &[Damage]) -> Option<(usize, &Damage)> {
    let is_sure = |damage: &Damage| damage.interval.is_some_and(|(low, _)| low > 0.0);
    let sure = damages.iter().enumerate().filter(|(_, d)| is_sure(d));
    sure.max_by(|a, b| a.1.loss.total_cmp(&b.1.loss))
}

fn in_words(label: &str) -> String {
    if label.starts_with(|c: char| c.is_ascii_digit()) {
        format!("wavelengths of {label} tokens")
    } else {
        format!("the band `{label}`")
    }
}

/// Whether all layers have the same pairs.
pub(crate) fn one_spectrum(anatomy: &Anatomy) -> Option<&LayerSpectrum> {
    let first = anatomy.spectra.first()?;
    let same = |spectrum: &LayerSpectrum| spectrum.wavelengths == first.wavelengths;
    anatomy.spectra.iter().all(same).then_some(first)
}

/// A pair's name where layers may differ.
pub(crate) fn pair_label(anatomy: &Anatomy, pair: usize) -> String {
    match one_spectrum(anatomy) {
        Some(spectrum) => spectrum.label(pair),
        None => format!("pair {pair}"),
    }
}

/// A band's wavelengths, or its number where layers differ.
pub(crate) fn band_label(anatomy: &Anatomy, index: usize) -> String {
    let bands = anatomy.ablation.bands;
    let Some(spectrum) = one_spectrum(anatomy) else {
        return format!("{} of {bands}, high to low", index + 1);
    };
    let pairs = band(spectrum.wavelengths.len(), index, bands);
    let rotated: Vec<f64> = spectrum.wavelengths[pairs.clone()]
        .iter()
        .flatten()
        .copied()
        .collect();
    let all = rotated.len() == pairs.len();
    match (rotated.first(), rotated.last()) {
        (Some(first), Some(last)) => {
            let range = if rotated.len() == 1 {
                tokens(*first)
            } else {
                format!("{} to {}", tokens(*first), tokens(*last))
            };
            if all {
                range
            } else {
                format!("{range} and none")
            }
        }
        _ => format!(
            "none (pairs {} to {})",
            pairs.start,
            pairs.end.saturating_sub(1)
        ),
    }
}

/// The best heads of a kind, in a line.
pub(crate) fn column(kind: Kind, scores: &HeadScores) -> String {
    match kind.distance(scores) {
        Some(back) if back > 1 => format!("{back} back"),
        _ => kind.name().to_owned(),
    }
}
