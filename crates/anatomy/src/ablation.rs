//! Which pairs are needed: bands of frequencies taken out of attention, and the loss that follows.

use std::ops::Range;
use std::sync::Arc;

use decoder::{AttentionInputs, Effect, Intervention, Observer};
use fused::Workers;
use serde::Serialize;
use statistics::t_interval;

use crate::subject::{Gathered, QUERIES, values};
use crate::{AnatomyError, Sample, Subject};

/// What is ablated and measured.
#[derive(Clone, Debug)]
pub struct AblationPlan<'a> {
    /// Text whose loss is measured.
    pub sample: &'a Sample,
    /// Random segments, twice each ([`crate::repeated_segments`]).
    pub repeated: &'a [Vec<u32>],
    /// Bands that a layer's pairs are parted into.
    pub bands: usize,
    /// Layers whose heads are ablated one by one.
    pub head_layers: &'a [usize],
    /// Layer and head whose attention to the token before is followed.
    pub previous_head: (usize, usize),
}

/// What a decoder does with some of its pairs taken out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measures {
    /// Mean loss over the text's tokens, nats.
    pub loss: f64,
    /// The same by position: octaves 1-16, 17-32, 33-64 and so on.
    pub by_position: Vec<f64>,
    /// Mean loss over the second copies of random segments, without their first token, nats.
    pub second_copy: f64,
    /// Weight of the token before, in the head followed, on the random segments.
    pub previous: f64,
    /// Mean loss of each window, nats.
    #[serde(skip)]
    pub windows: Vec<f64>,
}

/// Measures with a band ablated minus those without.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Damage {
    /// Of the mean loss, nats.
    pub loss: f64,
    /// Its 95% t interval over the text's windows; none for fewer than two, or where all are alike.
    pub interval: Option<(f64, f64)>,
    /// Of the loss by position.
    pub by_position: Vec<f64>,
    /// Of the second copy's loss.
    pub second_copy: f64,
    /// Of the weight of the token before.
    pub previous: f64,
}

/// Damage to one layer's heads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeadDamage {
    /// The layer.
    pub layer: usize,
    /// `[head][band]`, the band removed.
    pub removed: Vec<Vec<Damage>>,
}

/// All that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ablation {
    /// Name of the text.
    pub text: String,
    /// Its windows.
    pub windows: usize,
    /// Their tokens.
    pub length: usize,
    /// Bands, from the highest frequencies to the lowest.
    pub bands: usize,
    /// Positions of [`Measures::by_position`]: first and end, 1-based.
    pub positions: Vec<(usize, usize)>,
    /// Layer and head of [`Measures::previous`].
    pub previous_head: (usize, usize),
    /// With nothing ablated.
    pub baseline: Measures,
    /// A band removed in all layers.
    pub removed: Vec<Damage>,
    /// A band unrotated in all layers.
    pub unrotated: Vec<Damage>,
    /// A band removed in one layer, `[layer][band]`.
    pub removed_by_layer: Vec<Vec<Damage>>,
    /// A band unrotated in one layer, `[layer][band]`.
    pub unrotated_by_layer: Vec<Vec<Damage>>,
    /// Head by head in chosen layers.
    pub heads: Vec<HeadDamage>,
}

/// Pairs of band `index` of `bands`, of a layer with so many pairs: equal parts, high frequencies first.
pub fn band(pairs: usize, index: usize, bands: usize) -> Range<usize> {
    index * pairs / bands..(index + 1) * pairs / bands
}

/// Ablates band by band, in all layers, in each, and in each head of chosen layers. Passes are shared out over
/// `workers`; `progress` is told how many of how many are done.
///
/// # Errors
/// If a layer is not there.
pub fn ablate(
    subject: &Subject<'_>,
    plan: &AblationPlan<'_>,
    workers: &Workers,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Ablation, AnatomyError> {
    let config = subject.decoder().config();
    let (layers, heads) = (config.num_hidden_layers, config.num_attention_heads);
    let one = |layer: usize, index: usize, head: Option<usize>, effect: Effect| {
        let kind = config.layer(layer % layers.max(1)).1;
        Intervention {
            layer,
            heads: head.map(|head| vec![head]),
            pairs: band(config.head_dim_of(kind) / 2, index, plan.bands),
            effect,
        }
    };
    let effects = [Effect::Remove, Effect::Identity];
    let bands = || 0..plan.bands;
    let mut passes: Vec<Vec<Intervention>> = vec![Vec::new()];
    for effect in effects {
        let everywhere = |index| {
            (0..layers)
                .map(|layer| one(layer, index, None, effect))
                .collect()
        };
        passes.extend(bands().map(everywhere));
    }
    for effect in effects {
        for layer in 0..layers {
            passes.extend(bands().map(|index| vec![one(layer, index, None, effect)]));
        }
    }
    for layer in plan.head_layers {
        for head in 0..heads {
            passes.extend(bands().map(|i| vec![one(*layer, i, Some(head), Effect::Remove)]));
        }
    }
    let measured = measure_all(subject, plan, passes, workers, progress)?;
    Ok(assemble(plan, measured, layers, heads))
}

fn measure_all(
    subject: &Subject<'_>,
    plan: &AblationPlan<'_>,
    passes: Vec<Vec<Intervention>>,
    workers: &Workers,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Measures>, AnatomyError> {
    let total = passes.len();
    let mut measured = Vec::with_capacity(total);
    for batch in passes.chunks(4 * workers.count()) {
        let results = workers.each(batch.to_vec(), |pass| measure(subject, plan, &pass));
        for result in results {
            measured.push(result?);
        }
        progress(measured.len(), total);
    }
    Ok(measured)
}

/// From a list in the order of [`ablate`]'s passes.
fn assemble(
    plan: &AblationPlan<'_>,
    measured: Vec<Measures>,
    layers: usize,
    heads: usize,
) -> Ablation {
    let mut measured = measured.into_iter();
    // The first pass has no interventions; there always is one.
    let baseline = measured.next().unwrap_or_else(Measures::none);
    let mut next = || -> Vec<Damage> {
        let bands = measured.by_ref().take(plan.bands);
        bands.map(|m| m.minus(&baseline)).collect()
    };
    let removed = next();
    let unrotated = next();
    let removed_by_layer = (0..layers).map(|_| next()).collect();
    let unrotated_by_layer = (0..layers).map(|_| next()).collect();
    let of_layer = |layer: &usize| HeadDamage {
        layer: *layer,
        removed: (0..heads).map(|_| next()).collect(),
    };
    let heads = plan.head_layers.iter().map(of_layer).collect();
    Ablation {
        text: plan.sample.name.clone(),
        windows: plan.sample.windows.len(),
        length: plan.sample.length(),
        bands: plan.bands,
        positions: octaves(plan.sample.length()),
        previous_head: plan.previous_head,
        baseline,
        removed,
        unrotated,
        removed_by_layer,
        unrotated_by_layer,
        heads,
    }
}

fn measure(
    subject: &Subject<'_>,
    plan: &AblationPlan<'_>,
    interventions: &[Intervention],
) -> Result<Measures, AnatomyError> {
    let positions = subject.intervened(interventions)?;
    let losses = subject.losses(&plan.sample.windows, &positions);
    let windows: Vec<f64> = losses.iter().map(|window| mean(window)).collect();
    let by_position = octaves(plan.sample.length())
        .into_iter()
        .map(|(first, end)| {
            let of_window = |window: &Vec<f32>| mean(&window[first - 1..end - 1]);
            losses.iter().map(of_window).sum::<f64>() / losses.len() as f64
        })
        .collect();
    let probe = Arc::new(PreviousToken {
        layer: plan.previous_head.0,
        head: plan.previous_head.1,
        sum: Gathered::new((0.0, 0)),
    });
    let observer: Arc<dyn Observer> = probe.clone();
    let positions = subject.decoder().observed(&positions, &observer);
    let repeated = subject.losses(plan.repeated, &positions);
    let (weight, queries) = probe.sum.take();
    let second = |losses: &Vec<f32>| mean(&losses[losses.len() / 2 + 1..]);
    Ok(Measures {
        loss: windows.iter().sum::<f64>() / windows.len() as f64,
        by_position,
        second_copy: repeated.iter().map(second).sum::<f64>() / repeated.len() as f64,
        previous: weight / f64::from(queries.max(1)),
        windows,
    })
}

impl Measures {
    fn none() -> Self {
        Self {
            loss: f64::NAN,
            by_position: Vec::new(),
            second_copy: f64::NAN,
            previous: f64::NAN,
            windows: Vec::new(),
        }
    }

    fn minus(&self, baseline: &Self) -> Damage {
        let differences =
            |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
        let windows = differences(&self.windows, &baseline.windows);
        Damage {
            loss: self.loss - baseline.loss,
            interval: t_interval(&windows).map(|interval| (interval.low, interval.high)),
            by_position: differences(&self.by_position, &baseline.by_position),
            second_copy: self.second_copy - baseline.second_copy,
            previous: self.previous - baseline.previous,
        }
    }
}

/// Positions 1 to `length` as first and end of octaves, all up to 16 in one.
fn octaves(length: usize) -> Vec<(usize, usize)> {
    let mut octaves = Vec::new();
    let (mut first, mut end) = (1, 17);
    while first <= length {
        octaves.push((first, end.min(length + 1)));
        (first, end) = (end, 2 * end - 1);
    }
    octaves
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len().max(1) as f64
}

/// Weight of the token before in one head, and how many queries it is summed over.
struct PreviousToken {
    layer: usize,
    head: usize,
    sum: Gathered<(f64, u32)>,
}

impl Observer for PreviousToken {
    fn attention(&self, layer: usize, inputs: &AttentionInputs<'_>) {
        if layer != self.layer {
            return;
        }
        let [batch, _, heads, _] = inputs.q.dims();
        for chunk in inputs.weights(QUERIES) {
            let (queries, keys) = (chunk.queries.len(), chunk.keys.len());
            let weights = values(chunk.weights.narrow(1, self.head.min(heads - 1), 1));
            self.sum.with(|(sum, count)| {
                for (index, row) in weights.chunks_exact(keys).enumerate().take(batch * queries) {
                    let i = chunk.queries.start + index % queries;
                    if i < 2 {
                        continue;
                    }
                    *count += 1;
                    if let Some(place) = (i - 1).checked_sub(chunk.keys.start) {
                        *sum += f64::from(row[place]);
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_part_the_pairs() {
        let bands: Vec<_> = (0..8).map(|index| band(20, index, 8)).collect();
        assert_eq!(bands[0], 0..2);
        assert_eq!(bands[7], 17..20);
        assert!(bands.windows(2).all(|two| two[0].end == two[1].start));
    }

    #[test]
    fn octaves_cover_every_position_once() {
        assert_eq!(octaves(40), [(1, 17), (17, 33), (33, 41)]);
        assert_eq!(octaves(16), [(1, 17)]);
        assert_eq!(octaves(256).last(), Some(&(129, 257)));
    }
}
