//! Scores of heads: where each looks.

use std::sync::Arc;

use decoder::{AttentionInputs, Observer};
use serde::Serialize;

use crate::subject::{Gathered, QUERIES, values};
use crate::{CLASSES, Sample, Subject, TokenClasses};

/// Positions back that a k-back head is looked for at: 2 to this.
pub const FURTHEST_BACK: usize = 16;

/// Where one head looks. All scores but the entropy are mean attention weights, from 0 to 1; `docs/anatomy.md`
/// defines them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeadScores {
    /// The layer, 0-based.
    pub layer: usize,
    /// The query head, 0-based.
    pub head: usize,
    /// Weight of the token itself: mean of `a[i][i]` over queries `i >= 1`.
    pub diagonal: f64,
    /// Weight of the token before: mean of `a[i][i-1]` over `i >= 2`, so that it is never `<bos>`.
    pub previous: f64,
    /// The `k` in `2..=16` with the greatest mean of `a[i][i-k]` over `i > k`.
    pub back: usize,
    /// That mean.
    pub k_back: f64,
    /// Weight of the first token: mean of `a[i][0]` over `i >= 1`.
    pub first: f64,
    /// On a random segment repeated: weight of the token after the earlier copy of the query's token.
    pub induction: f64,
    /// Mean entropy of the weights in nats.
    pub entropy: f64,
    /// Mean weight on the keys of each class of [`CLASSES`].
    pub class_weight: Vec<f64>,
}

/// What a head can be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Attends to the token itself.
    Diagonal,
    /// Attends to the token before.
    Previous,
    /// Attends to the token `k` before.
    KBack,
    /// Attends to the first token.
    First,
    /// Attends to what followed the same token earlier.
    Induction,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Diagonal,
        Self::Previous,
        Self::KBack,
        Self::First,
        Self::Induction,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Diagonal => "diagonal",
            Self::Previous => "previous token",
            Self::KBack => "k back",
            Self::First => "first token",
            Self::Induction => "induction",
        }
    }

    /// A head's score for it.
    pub fn score(self, head: &HeadScores) -> f64 {
        match self {
            Self::Diagonal => head.diagonal,
            Self::Previous => head.previous,
            Self::KBack => head.k_back,
            Self::First => head.first,
            Self::Induction => head.induction,
        }
    }

    /// How many positions back it looks, if that is a number.
    pub fn distance(self, head: &HeadScores) -> Option<usize> {
        match self {
            Self::Diagonal => Some(0),
            Self::Previous => Some(1),
            Self::KBack => Some(head.back),
            Self::First | Self::Induction => None,
        }
    }
}

/// The `most` heads that are most like `kind`, best first.
pub fn best(heads: &[HeadScores], kind: Kind, most: usize) -> Vec<&HeadScores> {
    let mut sorted: Vec<&HeadScores> = heads.iter().collect();
    sorted.sort_by(|a, b| kind.score(b).total_cmp(&kind.score(a)));
    sorted.truncate(most);
    sorted
}

/// Scores of every head over `sample`, in the order of layers and heads; the induction score from `repeated`
/// ([`crate::repeated_segments`]).
pub fn head_scores(
    subject: &Subject<'_>,
    sample: &Sample,
    classes: &TokenClasses,
    repeated: &[Vec<u32>],
) -> Vec<HeadScores> {
    let on_text = tallies(subject, &sample.windows, FURTHEST_BACK, Some(classes));
    let period = repeated
        .first()
        .map_or(0, |sequence| (sequence.len() - 1) / 2);
    let on_repeated = induction_scores(subject, repeated, period);
    let heads = subject.decoder().config().num_attention_heads;
    on_text
        .iter()
        .zip(on_repeated)
        .enumerate()
        .map(|(index, (tally, induction))| tally.scores(index / heads, index % heads, induction))
        .collect()
}

/// Sums of one head's weights.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// Weight and queries by distance; queries whose key at that distance is `<bos>` are left out.
    by_distance: Vec<(f64, usize)>,
    first: f64,
    entropy: f64,
    classes: [f64; CLASSES.len()],
    /// Queries other than the first.
    queries: usize,
}

impl Tally {
    /// One more query: position `i`, weights of keys `first_key..=i`, and the classes of all tokens.
    fn add(&mut self, i: usize, first_key: usize, row: &[f32], classes: &[Vec<usize>]) {
        if i == 0 {
            return;
        }
        self.queries += 1;
        if first_key == 0 {
            self.first += f64::from(row[0]);
        }
        for (distance, (sum, count)) in self.by_distance.iter_mut().enumerate() {
            let Some(key) = i.checked_sub(distance).filter(|key| *key > 0) else {
                break;
            };
            *count += 1;
            if key >= first_key {
                *sum += f64::from(row[key - first_key]);
            }
        }
        for (offset, weight) in row[..=i - first_key].iter().enumerate() {
            let weight = f64::from(*weight);
            if weight > 0.0 {
                self.entropy -= weight * weight.ln();
            }
            if let Some(classes) = classes.get(first_key + offset) {
                for class in classes {
                    self.classes[*class] += weight;
                }
            }
        }
    }

    fn scores(&self, layer: usize, head: usize, induction: f64) -> HeadScores {
        let mean = |(sum, count): (f64, usize)| if count == 0 { 0.0 } else { sum / count as f64 };
        let at = |distance: usize| self.by_distance.get(distance).map_or(0.0, |x| mean(*x));
        let (back, k_back) = (2..self.by_distance.len())
            .map(|k| (k, at(k)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap_or((2, 0.0));
        let per_query = |sum: f64| sum / self.queries.max(1) as f64;
        HeadScores {
            layer,
            head,
            diagonal: at(0),
            previous: at(1),
            back,
            k_back,
            first: per_query(self.first),
            induction,
            entropy: per_query(self.entropy),
            class_weight: self.classes.iter().map(|sum| per_query(*sum)).collect(),
        }
    }
}

struct Tallies {
    /// Of each layer's heads in turn.
    heads: Gathered<Vec<Tally>>,
    /// Classes of each token of the window.
    classes: Vec<Vec<usize>>,
}

impl Observer for Tallies {
    fn attention(&self, layer: usize, inputs: &AttentionInputs<'_>) {
        let heads = inputs.q.dims()[2];
        for chunk in inputs.weights(QUERIES) {
            let keys = chunk.keys.len();
            let queries = chunk.queries.len();
            let weights = values(chunk.weights); // [1, H, Q, S]
            self.heads.with(|tallies| {
                let rows = weights.chunks_exact(keys).enumerate();
                for (index, row) in rows {
                    let (head, query) = (index / queries, index % queries);
                    let i = chunk.queries.start + query;
                    let tally = &mut tallies[layer * heads + head];
                    tally.add(i, chunk.keys.start, row, &self.classes);
                }
            });
        }
    }
}

/// Sums of every head's weights over `windows`, distances up to `furthest`.
fn tallies(
    subject: &Subject<'_>,
    windows: &[Vec<u32>],
    furthest: usize,
    classes: Option<&TokenClasses>,
) -> Vec<Tally> {
    let config = subject.decoder().config();
    let empty = Tally {
        by_distance: vec![(0.0, 0); furthest + 1],
        ..Tally::default()
    };
    let mut all = vec![empty; config.num_hidden_layers * config.num_attention_heads];
    for window in windows {
        let classes = classes.map_or_else(Vec::new, |classes| {
            let of = |token: &u32| {
                let is_in = |class: &usize| classes.contains(*class, *token);
                (0..CLASSES.len()).filter(is_in).collect()
            };
            window.iter().map(of).collect()
        });
        let observer = Arc::new(Tallies {
            heads: Gathered::new(all),
            classes,
        });
        let shared: Arc<dyn Observer> = observer.clone();
        subject.observe(std::slice::from_ref(window), &shared);
        all = observer.heads.take();
    }
    all
}

/// Of every head, the mean weight from the second copy's tokens to what followed them in the first:
/// `period - 1` positions back, over the queries of the second copy that have one.
fn induction_scores(subject: &Subject<'_>, sequences: &[Vec<u32>], period: usize) -> Vec<f64> {
    let config = subject.decoder().config();
    let heads = config.num_hidden_layers * config.num_attention_heads;
    let observer = Arc::new(Matches {
        heads: Gathered::new(vec![(0.0, 0); heads]),
        period,
    });
    let shared: Arc<dyn Observer> = observer.clone();
    subject.observe(sequences, &shared);
    let mean = |(sum, count): (f64, usize)| sum / count.max(1) as f64;
    observer.heads.take().into_iter().map(mean).collect()
}

struct Matches {
    heads: Gathered<Vec<(f64, usize)>>,
    period: usize,
}

impl Observer for Matches {
    fn attention(&self, layer: usize, inputs: &AttentionInputs<'_>) {
        let heads = inputs.q.dims()[2];
        for chunk in inputs.weights(QUERIES) {
            let (queries, keys) = (chunk.queries.len(), chunk.keys.len());
            let weights = values(chunk.weights); // [1, H, Q, S]
            self.heads.with(|sums| {
                for (index, row) in weights.chunks_exact(keys).enumerate() {
                    let i = chunk.queries.start + index % queries;
                    // Position 0 is <bos>, the second copy begins at period + 1.
                    if i <= self.period {
                        continue;
                    }
                    let (sum, count) = &mut sums[layer * heads + index / queries];
                    *count += 1;
                    let key = i + 1 - self.period;
                    if let Some(place) = key.checked_sub(chunk.keys.start) {
                        *sum += f64::from(row[place]);
                    }
                }
            });
        }
    }
}
