//! How large queries, keys and values are in each rotary pair.

use std::sync::Arc;

use burn::tensor::Tensor;
use decoder::{AttentionInputs, Observer};
use serde::Serialize;

use crate::subject::{Gathered, values};
use crate::{Sample, Subject};

/// Mean 2-norms over a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FrequencyUse {
    /// Name of the text.
    pub text: String,
    /// Tokens the means are over; `<bos>` is not one of them.
    pub tokens: usize,
    /// Layer by layer.
    pub layers: Vec<LayerUse>,
    /// Largest difference of a mean norm of queries or keys before and after their rotation, relative to it.
    /// A rotation changes no norm: what is not rounding is an encoding's factor, as `YaRN` has one.
    pub rotation_error: f64,
}

/// Mean over tokens of the 2-norm of `(x[i], x[i + D/2])`, the two-dimensional chunk of pair `i`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LayerUse {
    /// Of queries, `[H][D/2]`.
    pub queries: Vec<Vec<f64>>,
    /// Of keys, `[K][D/2]`; none where the layer has the keys of an earlier one.
    pub keys: Vec<Vec<f64>>,
    /// Of values, `[K][D/2]`. Values are not rotated; their coordinates are paired the same way.
    pub values: Vec<Vec<f64>>,
}

impl LayerUse {
    /// Mean over heads of queries (`which` 0), keys (1) or values (2), by pair.
    pub fn over_heads(&self, which: usize) -> Vec<f64> {
        let heads = [&self.queries, &self.keys, &self.values][which.min(2)];
        let pairs = heads.first().map_or(0, Vec::len);
        let of_pair = |pair| heads.iter().map(|h| h[pair]).sum::<f64>() / heads.len() as f64;
        (0..pairs).map(of_pair).collect()
    }
}

/// Norms by pair of `subject` over `sample`, of layer and head (Figures 3, 4, 6, 10 and 13 to 19 of the paper).
pub fn frequency_use(subject: &Subject<'_>, sample: &Sample) -> FrequencyUse {
    let norms = Arc::new(Norms {
        layers: Gathered::new(vec![
            [Sums::default(), Sums::default(), Sums::default()];
            subject.decoder().config().num_hidden_layers
        ]),
        before: Gathered::new(vec![
            [Sums::default(), Sums::default()];
            subject.decoder().config().num_hidden_layers
        ]),
    });
    let observer: Arc<dyn Observer> = norms.clone();
    subject.observe(&sample.windows, &observer);
    let layers = norms.layers.take();
    let before = norms.before.take();
    let mut rotation_error = 0.0f64;
    for (after, before) in layers.iter().zip(&before) {
        for (after, before) in after.iter().zip(before) {
            rotation_error = rotation_error.max(after.relative_difference(before));
        }
    }
    let layers = layers.into_iter().map(|[queries, keys, values]| LayerUse {
        queries: queries.means(),
        keys: keys.means(),
        values: values.means(),
    });
    FrequencyUse {
        text: sample.name.clone(),
        tokens: sample.windows.len() * (sample.length() - 1),
        layers: layers.collect(),
        rotation_error,
    }
}

/// Sums of norms, `[heads][pairs]`, over so many tokens.
#[derive(Clone, Debug, Default)]
struct Sums {
    sums: Vec<Vec<f64>>,
    tokens: usize,
}

impl Sums {
    /// Norms of `x` `[1, T, heads, D]`, without those of the first token.
    fn add(&mut self, x: &Tensor<4>) {
        let [_, length, heads, head_dim] = x.dims();
        if length < 2 {
            return;
        }
        let pairs = head_dim / 2;
        let x = x.clone().narrow(1, 1, length - 1);
        let first = x.clone().narrow(3, 0, pairs);
        let second = x.narrow(3, pairs, pairs);
        let norms = (first.clone() * first + second.clone() * second).sqrt();
        let sums = values(norms.sum_dim(1)); // [1, 1, heads, D/2]
        self.sums.resize(heads, vec![0.0; pairs]);
        for (head, sums) in self.sums.iter_mut().zip(sums.chunks(pairs)) {
            for (total, sum) in head.iter_mut().zip(sums) {
                *total += f64::from(*sum);
            }
        }
        self.tokens += length - 1;
    }

    fn means(self) -> Vec<Vec<f64>> {
        let tokens = self.tokens as f64;
        let mean = |head: Vec<f64>| head.into_iter().map(|sum| sum / tokens).collect();
        self.sums.into_iter().map(mean).collect()
    }

    fn relative_difference(&self, other: &Self) -> f64 {
        let pairs = self.sums.iter().flatten().zip(other.sums.iter().flatten());
        pairs
            .filter(|(a, b)| a.max(**b) > 0.0)
            .map(|(a, b)| (a - b).abs() / a.max(*b))
            .fold(0.0, f64::max)
    }
}

struct Norms {
    /// Of queries, keys and values.
    layers: Gathered<Vec<[Sums; 3]>>,
    /// Of queries and keys before their rotation.
    before: Gathered<Vec<[Sums; 2]>>,
}

impl Observer for Norms {
    fn queries(&self, layer: usize, before: &Tensor<4>, after: &Tensor<4>) {
        self.before.with(|layers| layers[layer][0].add(before));
        self.layers.with(|layers| layers[layer][0].add(after));
    }

    fn keys(&self, layer: usize, before: &Tensor<4>, after: &Tensor<4>) {
        self.before.with(|layers| layers[layer][1].add(before));
        self.layers.with(|layers| layers[layer][1].add(after));
    }

    fn attention(&self, layer: usize, inputs: &AttentionInputs<'_>) {
        self.layers.with(|layers| layers[layer][2].add(inputs.v));
    }
}
