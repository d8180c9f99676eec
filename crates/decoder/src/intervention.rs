//! Taking rotary pairs out of attention, to see what they were for.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use positional::Spectrum;
use thiserror::Error;

use crate::config::DecoderConfig;

/// What becomes of the pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Their part of `q·k` is left out: these coordinates of the queries are 0.
    Remove,
    /// They are not rotated: their frequency is 0, as in `NoPE`. What they carry stays, where it is does not
    /// matter any more.
    Identity,
}

/// A change of attention while a decoder is evaluated. Weights stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intervention {
    /// The layer, 0-based.
    pub layer: usize,
    /// The query heads, 0-based; `None`: all of them. [`Effect::Identity`] is for all heads only, since heads
    /// that share keys share their rotation.
    pub heads: Option<Vec<usize>>,
    /// The rotary pairs; pair `i` is coordinates `i` and `i + D/2`.
    pub pairs: Range<usize>,
    /// What becomes of them.
    pub effect: Effect,
}

/// An intervention that the decoder has no place for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InterventionError {
    /// No such layer.
    #[error("there is no layer {layer}: the decoder has layers 0 to {}", .layers - 1)]
    NoSuchLayer {
        /// The layer asked for.
        layer: usize,
        /// Layers of the decoder.
        layers: usize,
    },
    /// No such head.
    #[error("there is no head {head}: a layer has heads 0 to {}", .heads - 1)]
    NoSuchHead {
        /// The head asked for.
        head: usize,
        /// Query heads of a layer.
        heads: usize,
    },
    /// No such pairs.
    #[error("there are no rotary pairs {start}..{end} in layer {layer}: it has {pairs}")]
    NoSuchPairs {
        /// The layer.
        layer: usize,
        /// First pair asked for.
        start: usize,
        /// End of the range asked for.
        end: usize,
        /// Pairs of the layer.
        pairs: usize,
    },
    /// Identity of some heads only.
    #[error(
        "pairs of single heads cannot be left unrotated, because heads share keys: remove them, or leave out `heads`"
    )]
    IdentityOfHeads,
}

impl Intervention {
    /// Checks every number against the decoder's shape.
    pub(crate) fn check(&self, config: &DecoderConfig) -> Result<(), InterventionError> {
        let (layers, heads) = (config.num_hidden_layers, config.num_attention_heads);
        if self.layer >= layers {
            let layer = self.layer;
            return Err(InterventionError::NoSuchLayer { layer, layers });
        }
        let asked = self.heads.as_deref().unwrap_or_default();
        if let Some(&head) = asked.iter().find(|head| **head >= heads) {
            return Err(InterventionError::NoSuchHead { head, heads });
        }
        if self.heads.is_some() && self.effect == Effect::Identity {
            return Err(InterventionError::IdentityOfHeads);
        }
        let pairs = config.head_dim_of(config.layer(self.layer).1) / 2;
        if self.pairs.end > pairs || self.pairs.start > self.pairs.end {
            return Err(InterventionError::NoSuchPairs {
                layer: self.layer,
                start: self.pairs.start,
                end: self.pairs.end,
                pairs,
            });
        }
        Ok(())
    }
}

/// Interventions by layer, those without pairs or heads left out: they change nothing.
pub(crate) fn by_layer(interventions: &[Intervention]) -> BTreeMap<usize, Vec<&Intervention>> {
    let mut layers: BTreeMap<usize, Vec<&Intervention>> = BTreeMap::new();
    for intervention in interventions {
        let has_heads = intervention.heads.as_ref().is_none_or(|h| !h.is_empty());
        if has_heads && !intervention.pairs.is_empty() {
            layers
                .entry(intervention.layer)
                .or_default()
                .push(intervention);
        }
    }
    layers
}

/// The spectrum with the frequency of every identity pair at 0.
pub(crate) fn stilled(spectrum: &Spectrum, interventions: &[&Intervention]) -> Option<Spectrum> {
    let mut frequencies = spectrum.frequencies().to_vec();
    let identities = interventions
        .iter()
        .filter(|one| one.effect == Effect::Identity);
    for pairs in identities.map(|one| one.pairs.clone()) {
        frequencies[pairs].fill(0.0);
    }
    if frequencies == spectrum.frequencies() {
        return None;
    }
    // Zeros in place of valid frequencies are valid.
    Spectrum::new(frequencies, spectrum.amplitude()).ok()
}

/// 0 at the coordinates of removed pairs, 1 elsewhere, `[1, 1, H, D]`; `None` where nothing is removed.
pub(crate) fn mask(
    interventions: &[&Intervention],
    heads: usize,
    head_dim: usize,
    device: &Device,
) -> Option<Tensor<4>> {
    let mut values = vec![1.0f32; heads * head_dim];
    let removals = interventions
        .iter()
        .filter(|one| one.effect == Effect::Remove);
    let mut any = false;
    for one in removals {
        any = true;
        let all: Vec<usize> = (0..heads).collect();
        for head in one.heads.as_ref().unwrap_or(&all) {
            let row = &mut values[head * head_dim..(head + 1) * head_dim];
            row[one.pairs.clone()].fill(0.0);
            row[one.pairs.start + head_dim / 2..one.pairs.end + head_dim / 2].fill(0.0);
        }
    }
    any.then(|| Tensor::from_data(TensorData::new(values, [1, 1, heads, head_dim]), device))
}
