//! Which pairs make a positional head's logit.

use std::sync::Arc;

use decoder::{AttentionInputs, Observer};
use serde::Serialize;

use crate::subject::{Gathered, values};
use crate::{Sample, Subject};

/// What each rotary pair adds to the logit at the key a positional head looks at, against the other keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LogitShare {
    /// The layer, 0-based.
    pub layer: usize,
    /// The query head, 0-based.
    pub head: usize,
    /// Positions back of the key it looks at; 0 is the token itself.
    pub distance: usize,
    /// Of each pair: its part of the logit at that key minus the mean of its part at the query's other keys, a mean
    /// over queries, in logits.
    pub margins: Vec<f64>,
    #[serde(skip)]
    queries: usize,
}

impl LogitShare {
    /// All pairs' margins together.
    pub fn margin(&self) -> f64 {
        self.margins.iter().sum()
    }
}

/// Margins by pair of the heads `(layer, head, distance)` over `sample`. `<bos>` is neither the key looked at nor
/// among the others: what a head does with it is another matter.
pub fn logit_shares(
    subject: &Subject<'_>,
    sample: &Sample,
    heads: &[(usize, usize, usize)],
) -> Vec<LogitShare> {
    let empty = heads.iter().map(|(layer, head, distance)| LogitShare {
        layer: *layer,
        head: *head,
        distance: *distance,
        ..LogitShare::default()
    });
    let observer = Arc::new(Shares(Gathered::new(empty.collect())));
    let shared: Arc<dyn Observer> = observer.clone();
    subject.observe(&sample.windows, &shared);
    let mut shares = observer.0.take();
    for share in &mut shares {
        let queries = share.queries.max(1) as f64;
        share.margins.iter_mut().for_each(|sum| *sum /= queries);
    }
    shares
}

struct Shares(Gathered<Vec<LogitShare>>);

impl Observer for Shares {
    fn attention(&self, layer: usize, inputs: &AttentionInputs<'_>) {
        self.0.with(|shares| {
            let mut asked: Vec<_> = shares.iter_mut().filter(|s| s.layer == layer).collect();
            if !asked.is_empty() {
                let host = OnHost::new(inputs);
                for share in &mut asked {
                    host.add_margins(share);
                }
            }
        });
    }
}

/// Queries and keys of one window on the host.
pub(crate) struct OnHost {
    q: Vec<f32>,
    k: Vec<f32>,
    pub heads: usize,
    kv_heads: usize,
    head_dim: usize,
    pub length: usize,
    pub scale: f64,
}

impl OnHost {
    pub fn new(inputs: &AttentionInputs<'_>) -> Self {
        let [_, length, heads, head_dim] = inputs.q.dims();
        Self {
            q: values(inputs.q.clone()),
            k: values(inputs.k.clone()),
            heads,
            kv_heads: inputs.k.dims()[2],
            head_dim,
            length,
            scale: inputs.scale,
        }
    }

    pub fn pairs(&self) -> usize {
        self.head_dim / 2
    }

    /// Query `i` of `head`, `[D]`.
    pub fn query(&self, i: usize, head: usize) -> &[f32] {
        &self.q[(i * self.heads + head) * self.head_dim..][..self.head_dim]
    }

    /// Key `j` that `head` reads, `[D]`.
    pub fn key(&self, j: usize, head: usize) -> &[f32] {
        let kv_head = head / (self.heads / self.kv_heads);
        &self.k[(j * self.kv_heads + kv_head) * self.head_dim..][..self.head_dim]
    }

    fn add_margins(&self, share: &mut LogitShare) {
        let pairs = self.pairs();
        share.margins.resize(pairs, 0.0);
        // Sum of keys 1..=i, by coordinate: the mean part of the others is that of their mean.
        let mut sum = vec![0.0f64; self.head_dim];
        for i in 1..self.length {
            add(&mut sum, self.key(i, share.head));
            let target = match i.checked_sub(share.distance) {
                Some(target) if target > 0 && i > 1 => target,
                _ => continue,
            };
            let others = (i - 1) as f64;
            let target = self.key(target, share.head);
            let query = self.query(i, share.head);
            for (pair, margin) in share.margins.iter_mut().enumerate() {
                for at in [pair, pair + pairs] {
                    let key = f64::from(target[at]);
                    let difference = key - (sum[at] - key) / others;
                    *margin += self.scale * f64::from(query[at]) * difference;
                }
            }
            share.queries += 1;
        }
    }
}

/// Adds a vector to a sum.
pub(crate) fn add(sum: &mut [f64], x: &[f32]) {
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum += f64::from(*x);
    }
}
