//! Each layer kind's positional encoding as device tables for one sequence length.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use positional::PositionalEncoding;

use crate::config::DecoderConfig;

/// Added to the logit of a key that a query must not see. Finite, because shaders may assume that no
/// infinity occurs; `exp` of it is exactly 0 in f32.
const HIDDEN: f32 = -1e30;

/// Tables for sequences of up to `length` tokens, position 0 first. Build once, use for every batch.
#[derive(Clone, Debug)]
pub struct Positions {
    length: usize,
    /// Added to the embeddings, `[1, T, C]`; from absolute encodings only.
    pub(crate) absolute: Option<Tensor<3>>,
    kinds: BTreeMap<String, KindPositions>,
}

/// The tables of one layer kind.
#[derive(Clone, Debug)]
pub(crate) struct KindPositions {
    /// Cosines and sines, each `[1, T, 1, D/2]`; `None` for the identity rotation.
    pub rotary: Option<(Tensor<4>, Tensor<4>)>,
    /// Factor of the queries by position, `[1, T, 1, 1]`.
    pub query_scale: Option<Tensor<4>>,
    /// Bias by distance, `[heads][distance]`, on the host: chunks cut their own matrices from it.
    pub bias: Option<Vec<Vec<f32>>>,
    /// The causal mask of the whole sequence, kept when it is used step after step.
    pub whole_offsets: Option<Tensor<4>>,
}

impl Positions {
    /// Tables of every layer kind of `config` for sequences of `length` tokens on `device`.
    pub(crate) fn new(
        config: &DecoderConfig,
        encodings: &BTreeMap<String, std::sync::Arc<dyn PositionalEncoding>>,
        length: usize,
        device: &Device,
    ) -> Self {
        let kinds = encodings
            .iter()
            .map(|(name, encoding)| {
                let tables = KindPositions::new(config, encoding.as_ref(), length, device);
                (name.clone(), tables)
            })
            .collect();
        Self {
            length,
            absolute: absolute_table(config, encodings, length, device),
            kinds,
        }
    }

    /// Longest sequence the tables cover, in tokens.
    pub fn length(&self) -> usize {
        self.length
    }

    pub(crate) fn kind(&self, name: &str) -> &KindPositions {
        &self.kinds[name]
    }

    /// Keeps the mask of a whole sequence on the device: for training, where every step uses it.
    #[must_use]
    pub fn with_whole_masks(mut self, config: &DecoderConfig, device: &Device) -> Self {
        for (name, tables) in &mut self.kinds {
            let kind = &config.layers[name];
            let (heads, groups) = (
                config.num_attention_heads,
                config.num_attention_heads / config.kv_heads_of(kind),
            );
            let all = 0..self.length;
            tables.whole_offsets =
                Some(tables.offsets(all.clone(), all, kind.sliding_window, heads, groups, device));
        }
        self
    }
}

impl KindPositions {
    fn new(
        config: &DecoderConfig,
        encoding: &dyn PositionalEncoding,
        length: usize,
        device: &Device,
    ) -> Self {
        let rotary = encoding
            .spectrum()
            .filter(|spectrum| !spectrum.is_identity())
            .map(|spectrum| {
                let tables = spectrum.tables(0..length);
                let shape = [1, length, 1, tables.pairs];
                let to_device = |values| Tensor::from_data(TensorData::new(values, shape), device);
                (to_device(tables.cos), to_device(tables.sin))
            });
        let query_scale = encoding.scales_logits().then(|| {
            let scales: Vec<f32> = (0..length)
                .map(|i| encoding.logit_scale(i) as f32)
                .collect();
            Tensor::from_data(TensorData::new(scales, [1, length, 1, 1]), device)
        });
        let bias = encoding.has_bias().then(|| {
            (0..config.num_attention_heads)
                .map(|head| {
                    (0..length)
                        .map(|distance| encoding.bias(head, distance).unwrap_or(0.0) as f32)
                        .collect()
                })
                .collect()
        });
        Self {
            rotary,
            query_scale,
            bias,
            whole_offsets: None,
        }
    }

    /// What is added to the scaled logits of `queries` against `keys`: the mask and the bias.
    ///
    /// Shape `[1, 1, G*Q, S]` without a bias and `[1, K, G*Q, S]` with one, to match queries folded
    /// by group: row `g*Q + q` is query `q` of head `g` within its key-value head.
    pub fn offsets(
        &self,
        queries: Range<usize>,
        keys: Range<usize>,
        window: Option<usize>,
        heads: usize,
        groups: usize,
        device: &Device,
    ) -> Tensor<4> {
        let kv_heads = if self.bias.is_some() {
            heads / groups
        } else {
            1
        };
        let mut values = Vec::with_capacity(kv_heads * groups * queries.len() * keys.len());
        for head in 0..kv_heads * groups {
            let bias = self.bias.as_ref().map(|table| &table[head]);
            for i in queries.clone() {
                let first_visible = window.map_or(0, |w| (i + 1).saturating_sub(w));
                values.extend(keys.clone().map(|j| {
                    if j > i || j < first_visible {
                        HIDDEN
                    } else {
                        bias.map_or(0.0, |table| table[i - j])
                    }
                }));
            }
        }
        let shape = [1, kv_heads, groups * queries.len(), keys.len()];
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

/// The sum of the distinct absolute encodings of all layer kinds, `[1, T, C]`.
fn absolute_table(
    config: &DecoderConfig,
    encodings: &BTreeMap<String, std::sync::Arc<dyn PositionalEncoding>>,
    length: usize,
    device: &Device,
) -> Option<Tensor<3>> {
    let mut seen = Vec::new();
    let mut table = vec![0.0f32; length * config.hidden_size];
    for (name, encoding) in encodings {
        let described = &config.layers[name].encoding;
        if !encoding.has_absolute() || seen.contains(&described) {
            continue;
        }
        seen.push(described);
        for (position, row) in table.chunks_mut(config.hidden_size).enumerate() {
            let values = encoding.absolute(position).unwrap_or_default();
            for (sum, value) in row.iter_mut().zip(values) {
                *sum += value as f32;
            }
        }
    }
    let shape = [1, length, config.hidden_size];
    (!seen.is_empty()).then(|| Tensor::from_data(TensorData::new(table, shape), device))
}
