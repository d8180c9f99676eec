//! Which pairs are needed: bands of frequencies taken out of attention, and the loss that follows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use decoder::{AttentionInputs, DecoderConfig, Effect, Intervention, Observer};
use fused::Workers;
use serde::Serialize;
use statistics::t_interval;

use crate::subject::{Gathered, QUERIES, Reading, values};
use crate::{AnatomyError, Sample, Subject};

/// What is ablated and measured.
#[derive(Clone, Debug)]
pub struct AblationPlan<'a> {
    /// Text whose loss is measured.
    pub sample: &'a Sample,
    /// Its first windows, so many, for the ablations of single layers and heads.
    pub layer_windows: usize,
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
    /// Those that single layers and heads were ablated on.
    pub layer_windows: usize,
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
/// `workers`; `progress` is told how many of how many are done. Passes that change one layer share those below it.
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
    let passes = plan.bands * (2 + 2 * layers + plan.head_layers.len() * heads) + 2;
    let mut bench = Bench {
        subject,
        plan,
        workers,
        progress,
        done: 0,
        passes,
    };
    let start = Start::new(subject, plan.sample, plan);
    let baseline = bench.one(&start)?;
    let everywhere = |effect| Place {
        layers: 0..layers,
        head: None,
        effect,
    };
    let removed = bench.bands(&start, &everywhere(Effect::Remove), &baseline)?;
    let unrotated = bench.bands(&start, &everywhere(Effect::Identity), &baseline)?;

    let sample = plan.sample.first(plan.layer_windows);
    let mut start = Start::new(subject, &sample, plan);
    let of_windows = bench.one(&start)?;
    let (mut removed_by_layer, mut unrotated_by_layer) = (Vec::new(), Vec::new());
    let mut damage_by_head = BTreeMap::new();
    for layer in 0..layers {
        start = start.advanced(subject, layer);
        let place = |head, effect| Place {
            layers: layer..layer + 1,
            head,
            effect,
        };
        removed_by_layer.push(bench.bands(&start, &place(None, Effect::Remove), &of_windows)?);
        unrotated_by_layer.push(bench.bands(
            &start,
            &place(None, Effect::Identity),
            &of_windows,
        )?);
        if plan.head_layers.contains(&layer) {
            let of_head =
                |head| bench.bands(&start, &place(Some(head), Effect::Remove), &of_windows);
            let removed = (0..heads).map(of_head).collect::<Result<_, _>>()?;
            damage_by_head.insert(layer, removed);
        }
    }
    Ok(Ablation {
        text: plan.sample.name.clone(),
        windows: plan.sample.windows.len(),
        layer_windows: sample.windows.len(),
        length: plan.sample.length(),
        bands: plan.bands,
        positions: octaves(plan.sample.length()),
        previous_head: plan.previous_head,
        baseline,
        removed,
        unrotated,
        removed_by_layer,
        unrotated_by_layer,
        heads: in_the_order_of(plan.head_layers, &damage_by_head),
    })
}

fn in_the_order_of(
    layers: &[usize],
    damage: &BTreeMap<usize, Vec<Vec<Damage>>>,
) -> Vec<HeadDamage> {
    let of_layer = |layer: &usize| HeadDamage {
        layer: *layer,
        removed: damage.get(layer).cloned().unwrap_or_default(),
    };
    layers.iter().map(of_layer).collect()
}

/// Where bands are ablated, and how.
struct Place {
    layers: Range<usize>,
    /// `None`: in all heads.
    head: Option<usize>,
    effect: Effect,
}

impl Place {
    fn interventions(
        &self,
        config: &DecoderConfig,
        index: usize,
        bands: usize,
    ) -> Vec<Intervention> {
        let of_layer = |layer| Intervention {
            layer,
            heads: self.head.map(|head| vec![head]),
            pairs: band(config.head_dim_of(config.layer(layer).1) / 2, index, bands),
            effect: self.effect,
        };
        self.layers.clone().map(of_layer).collect()
    }
}

/// A text and random segments before a layer, nothing ablated so far.
struct Start {
    layer: usize,
    text: Reading,
    repeated: Reading,
}

impl Start {
    fn new(subject: &Subject<'_>, sample: &Sample, plan: &AblationPlan<'_>) -> Self {
        Self {
            layer: 0,
            text: subject.read(&sample.windows),
            repeated: subject.read(plan.repeated),
        }
    }

    fn advanced(self, subject: &Subject<'_>, layer: usize) -> Self {
        Self {
            layer,
            text: subject.advanced(self.text, layer),
            repeated: subject.advanced(self.repeated, layer),
        }
    }
}

/// Runs passes and counts them.
struct Bench<'a> {
    subject: &'a Subject<'a>,
    plan: &'a AblationPlan<'a>,
    workers: &'a Workers,
    progress: &'a (dyn Fn(usize, usize) + Sync),
    done: usize,
    passes: usize,
}

impl Bench<'_> {
    /// A pass with nothing ablated, from the first layer.
    fn one(&mut self, start: &Start) -> Result<Measures, AnatomyError> {
        let measured = self.run(start, vec![Vec::new()], None)?;
        Ok(measured.into_iter().next().unwrap_or_else(Measures::none))
    }

    /// Damage of each band ablated at `place`.
    fn bands(
        &mut self,
        start: &Start,
        place: &Place,
        baseline: &Measures,
    ) -> Result<Vec<Damage>, AnatomyError> {
        let config = self.subject.decoder().config();
        let bands = self.plan.bands;
        let passes = (0..bands).map(|index| place.interventions(config, index, bands));
        let measured = self.run(start, passes.collect(), Some(baseline))?;
        Ok(measured.iter().map(|m| m.minus(baseline)).collect())
    }

    fn run(
        &mut self,
        start: &Start,
        passes: Vec<Vec<Intervention>>,
        baseline: Option<&Measures>,
    ) -> Result<Vec<Measures>, AnatomyError> {
        self.done += passes.len();
        let (subject, plan) = (self.subject, self.plan);
        let results = self.workers.each(passes, |pass| {
            measure(subject, plan, start, &pass, baseline)
        });
        (self.progress)(self.done, self.passes);
        results.into_iter().collect()
    }
}

/// A pass from `start` on. A head below it, where nothing is ablated, attends as in `baseline`.
fn measure(
    subject: &Subject<'_>,
    plan: &AblationPlan<'_>,
    start: &Start,
    interventions: &[Intervention],
    baseline: Option<&Measures>,
) -> Result<Measures, AnatomyError> {
    let positions = subject.intervened(interventions)?;
    let losses = subject.losses(&start.text, &positions);
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
    let repeated = subject.losses(&start.repeated, &positions);
    let (weight, queries) = probe.sum.take();
    let second = |losses: &Vec<f32>| mean(&losses[losses.len() / 2 + 1..]);
    let previous = match baseline {
        Some(baseline) if plan.previous_head.0 < start.layer => baseline.previous,
        _ => weight / f64::from(queries.max(1)),
    };
    Ok(Measures {
        loss: windows.iter().sum::<f64>() / windows.len() as f64,
        by_position,
        second_copy: repeated.iter().map(second).sum::<f64>() / repeated.len() as f64,
        previous,
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
