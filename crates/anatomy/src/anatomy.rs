//! Everything at once.

use decoder::{Decoder, DecoderConfig, InterventionError};
use fused::Workers;
use serde::Serialize;

use crate::ablation::{Ablation, AblationPlan, ablate};
use crate::frequency_use::{FrequencyUse, frequency_use};
use crate::heads::{HeadScores, Kind, best, head_scores};
use crate::maps::{AttentionMap, attention_maps};
use crate::random_tokens::repeated_segments;
use crate::separation::{Separation, separations};
use crate::share::{LogitShare, logit_shares};
use crate::spectra::{LayerSpectrum, spectra};
use crate::{AnatomyError, CLASSES, Sample, Subject, TokenClasses};

/// How much is looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// Tokens of a window.
    pub length: usize,
    /// Windows of the first text for norms and heads.
    pub windows: usize,
    /// Windows of each other text.
    pub other_windows: usize,
    /// Windows of the first text for the ablations of all layers, each of which reads all of them.
    pub ablation_windows: usize,
    /// Windows for the ablations of single layers and heads, of which there are many more; at most as many.
    pub layer_windows: usize,
    /// Bands of an ablation.
    pub bands: usize,
    /// Random segments, twice each.
    pub repeated: usize,
    /// Tokens of a random segment.
    pub segment: usize,
    /// Tokens of an attention map.
    pub map: usize,
    /// Layers looked at head by head.
    pub layers: Vec<usize>,
}

/// Floating-point operations that the ablations of all layers may take on one page, and those of single layers and
/// heads: a minute or two each on two cores, more where two windows need more.
const ABLATION_FLOPS: f64 = 1e13;

impl Budget {
    /// What suits a decoder of shape `config` with windows of `length` tokens: bands of an eighth of the pairs,
    /// the first, the middle and the last layer head by head, and as many windows as the ablations have time for.
    pub fn new(config: &DecoderConfig, length: usize, parameters: usize) -> Self {
        let layers = config.num_hidden_layers;
        let mut chosen = vec![0, layers / 2, layers - 1];
        chosen.dedup();
        let pairs = config
            .layers
            .values()
            .map(|kind| config.head_dim_of(kind) / 2);
        let bands = pairs.min().unwrap_or(1).clamp(1, 8);
        let affordable = |passes: usize| {
            let per_window = 2.0 * parameters as f64 * length as f64 * passes as f64;
            ((ABLATION_FLOPS / per_window) as usize).clamp(2, 16)
        };
        let of_one_layer = bands * (2 * layers + chosen.len() * config.num_attention_heads);
        Self {
            length,
            windows: 8,
            other_windows: 4,
            ablation_windows: affordable(2 * bands + 1),
            layer_windows: affordable(of_one_layer + 1),
            bands,
            repeated: 2,
            segment: (length.saturating_sub(1) / 2).clamp(8, 64),
            map: 32.min(length),
            layers: chosen,
        }
    }
}

/// What a decoder is looked at with.
pub struct Source<'a> {
    /// Name of the model.
    pub name: String,
    /// Texts as token ids with their names; the first is the one whose heads and losses are looked at.
    pub texts: Vec<(String, Vec<u32>)>,
    /// The token that begins a sequence.
    pub bos: u32,
    /// How each token of the vocabulary is written, by id.
    pub vocabulary: &'a [String],
    /// Ids of ordinary tokens, for random sequences.
    pub ordinary: &'a [u32],
}

/// All the numbers of a page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Anatomy {
    /// Name of the model.
    pub name: String,
    /// Parameters.
    pub parameters: usize,
    /// How much was looked at.
    pub budget: Budget,
    /// Each layer's pairs.
    pub spectra: Vec<LayerSpectrum>,
    /// Norms by pair, text by text.
    pub frequency_use: Vec<FrequencyUse>,
    /// Where each head looks.
    pub heads: Vec<HeadScores>,
    /// Share of each class of [`CLASSES`] among the keys that queries see: what a head that looks everywhere alike
    /// gives it.
    pub class_share: Vec<f64>,
    /// Attention of the heads that are most diagonal, previous-token and so on.
    pub maps: Vec<(Kind, AttentionMap)>,
    /// What pairs add to the logits of the best positional heads.
    pub shares: Vec<(Kind, LogitShare)>,
    /// Heads and classes that are furthest apart: three for `<bos>`, then the best of each other class.
    pub separations: Vec<Separation>,
    /// Damage by ablation.
    pub ablation: Ablation,
}

impl Anatomy {
    /// Looks at `decoder`. `progress` is told what is done in words, and of the ablations how many of how many.
    ///
    /// # Errors
    /// If there is no text, one is too short, a layer is not there, or the vocabulary has hardly any tokens.
    pub fn of(
        decoder: &Decoder,
        source: &Source<'_>,
        budget: &Budget,
        workers: &Workers,
        progress: &(dyn Fn(&str, usize, usize) + Sync),
    ) -> Result<Self, AnatomyError> {
        check_layers(decoder.config(), &budget.layers)?;
        let samples = samples(source, budget)?;
        let main = samples.first().ok_or(AnatomyError::NoText)?;
        let subject = Subject::new(decoder, budget.length.max(2 * budget.segment + 1));
        let classes = TokenClasses::new(source.vocabulary, source.bos);
        let repeated = repeated_segments(
            source.ordinary,
            source.bos,
            budget.segment,
            budget.repeated,
            1,
        )?;
        let mut uses = Vec::new();
        for sample in &samples {
            progress("norms", uses.len(), samples.len());
            uses.push(frequency_use(&subject, sample));
        }
        progress("heads", 0, 1);
        let heads = head_scores(&subject, main, &classes, &repeated);
        let maps = best_maps(&subject, &heads, main, source, budget, &repeated);
        let shares = best_shares(&subject, &heads, main);
        progress("token classes", 0, 1);
        let separations = furthest(separations(&subject, main, &classes));
        let previous = best(&heads, Kind::Previous, 1);
        let plan = AblationPlan {
            sample: &main.first(budget.ablation_windows),
            layer_windows: budget.layer_windows,
            repeated: &repeated,
            bands: budget.bands,
            head_layers: &budget.layers,
            previous_head: previous
                .first()
                .map_or((0, 0), |best| (best.layer, best.head)),
        };
        let ablation = ablate(&subject, &plan, workers, &|done, all| {
            progress("ablations", done, all);
        })?;
        Ok(Self {
            name: source.name.clone(),
            parameters: parameters(decoder),
            budget: budget.clone(),
            spectra: spectra(decoder),
            frequency_use: uses,
            class_share: class_share(main, &classes),
            heads,
            maps,
            shares,
            separations,
            ablation,
        })
    }
}

fn parameters(decoder: &Decoder) -> usize {
    struct Count(usize);
    impl decoder::ParameterVisitor for Count {
        fn visit<const R: usize>(
            &mut self,
            _: &str,
            param: &burn::module::Param<burn::tensor::Tensor<R>>,
        ) {
            self.0 += param.val().dims().iter().product::<usize>();
        }
    }
    let mut count = Count(0);
    decoder::for_each_parameter(decoder, &mut count);
    count.0
}

fn check_layers(config: &DecoderConfig, layers: &[usize]) -> Result<(), AnatomyError> {
    let all = config.num_hidden_layers;
    match layers.iter().find(|layer| **layer >= all) {
        Some(&layer) => Err(AnatomyError::Intervention(InterventionError::NoSuchLayer {
            layer,
            layers: all,
        })),
        None => Ok(()),
    }
}

fn samples(source: &Source<'_>, budget: &Budget) -> Result<Vec<Sample>, AnatomyError> {
    let texts = source.texts.iter().enumerate();
    texts
        .map(|(index, (name, tokens))| {
            let most = if index == 0 {
                budget.windows.max(budget.ablation_windows)
            } else {
                budget.other_windows
            };
            Sample::new(name, tokens, source.bos, budget.length, most)
        })
        .collect()
}

/// A map of the best head of every kind: over the first text, of the induction head over random segments.
fn best_maps(
    subject: &Subject<'_>,
    heads: &[HeadScores],
    main: &Sample,
    source: &Source<'_>,
    budget: &Budget,
    repeated: &[Vec<u32>],
) -> Vec<(Kind, AttentionMap)> {
    let text = |ids: &[u32]| -> Vec<String> {
        let written = |id: &u32| source.vocabulary.get(*id as usize).cloned();
        ids.iter()
            .map(|id| written(id).unwrap_or_default())
            .collect()
    };
    let named = |ids: &[u32]| {
        let mut texts = text(ids);
        if let Some(first) = texts.first_mut() {
            CLASSES[0].clone_into(first);
        }
        texts
    };
    let of_text = main.windows.first().map_or(&[][..], |window| {
        &window[..budget.map.min(window.len() - 1)]
    });
    // Short enough to be drawn, the segment is drawn anew, of half a map.
    let half = (budget.map / 2).max(2);
    let of_repeated: Vec<u32> = repeated.first().map_or_else(Vec::new, |sequence| {
        let segment = &sequence[1..=half.min(sequence.len() / 2)];
        let twice = segment.iter().chain(segment).copied();
        std::iter::once(source.bos).chain(twice).collect()
    });
    let mut maps = Vec::new();
    for kind in Kind::ALL {
        let tokens = if kind == Kind::Induction {
            &of_repeated[..]
        } else {
            of_text
        };
        for head in best(heads, kind, 1) {
            let found = attention_maps(subject, &[(head.layer, head.head)], tokens, &named(tokens));
            maps.extend(found.into_iter().map(|map| (kind, map)));
        }
    }
    maps
}

fn best_shares(
    subject: &Subject<'_>,
    heads: &[HeadScores],
    main: &Sample,
) -> Vec<(Kind, LogitShare)> {
    let kinds = [Kind::Diagonal, Kind::Previous, Kind::KBack];
    let asked = kinds.into_iter().filter_map(|kind| {
        let head = *best(heads, kind, 1).first()?;
        Some((kind, (head.layer, head.head, kind.distance(head)?)))
    });
    let (kinds, heads): (Vec<Kind>, Vec<_>) = asked.unzip();
    kinds
        .into_iter()
        .zip(logit_shares(subject, &main.first(4), &heads))
        .collect()
}

/// Logits below which a head does not tell a class from other keys.
const LEAST_SEPARATION: f64 = 0.1;

/// Of all heads and classes: the three heads furthest apart on `<bos>`, and the furthest of each other
/// class.
fn furthest(mut all: Vec<Separation>) -> Vec<Separation> {
    all.sort_by(|a, b| b.total().total_cmp(&a.total()));
    let mut chosen: Vec<Separation> = Vec::new();
    for separation in all {
        let same = |other: &&Separation| other.class == separation.class;
        let most = if separation.class == CLASSES[0] { 3 } else { 1 };
        if chosen.iter().filter(same).count() < most && separation.total() > LEAST_SEPARATION {
            chosen.push(separation);
        }
    }
    chosen.sort_by(|a, b| b.total().total_cmp(&a.total()));
    chosen.sort_by_key(|separation| separation.class != CLASSES[0]);
    chosen
}

/// Mean over queries of the share of each class among the keys up to the query.
fn class_share(sample: &Sample, classes: &TokenClasses) -> Vec<f64> {
    let mut shares = vec![0.0; CLASSES.len()];
    let mut queries = 0usize;
    for window in &sample.windows {
        let mut counts = vec![0usize; CLASSES.len()];
        for (i, token) in window[..window.len() - 1].iter().enumerate() {
            for (class, count) in counts.iter_mut().enumerate() {
                *count += usize::from(classes.contains(class, *token));
                if i > 0 {
                    shares[class] += *count as f64 / (i + 1) as f64;
                }
            }
            queries += usize::from(i > 0);
        }
    }
    shares
        .iter()
        .map(|sum| sum / queries.max(1) as f64)
        .collect()
}
