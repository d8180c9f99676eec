//! Each layer kind's positional encoding as device tables for one sequence length.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor, TensorData};
use positional::{PositionalEncoding, Spectrum};

use crate::config::{DecoderConfig, LayerKind};
use crate::intervention::{self, Intervention};
use crate::observation::{Observer, Tap};

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
    /// Layers that are observed or intervened in, instead of their kind's tables.
    layers: BTreeMap<usize, KindPositions>,
}

/// The tables of one layer kind.
#[derive(Clone, Debug)]
pub(crate) struct KindPositions {
    /// Cosines and sines, each `[1, T, 1, D/2]`; `None` for the identity rotation.
    pub rotary: Option<(Tensor<4>, Tensor<4>)>,
    /// Factor of the queries by position, `[1, T, 1, 1]`.
    pub query_scale: Option<Tensor<4>>,
    /// Keys a query sees, itself included.
    pub window: Option<usize>,
    /// Bias by distance, `[H, T]`.
    pub bias: Option<Arc<Vec<f32>>>,
    /// Longest sequence.
    length: usize,
    /// Heads that share keys and values.
    groups: usize,
    /// Mask and bias by distance for the chunk size first asked for: see [`KindPositions::offsets`].
    offsets: Arc<OnceLock<(usize, Tensor<5>)>>,
    /// Factor of the rotated queries, `[1, 1, H, D]`: 0 at coordinates taken out of the logits.
    pub mask: Option<Tensor<4>>,
    /// Who watches.
    pub tap: Option<Tap>,
}

impl Positions {
    /// Tables of every layer kind of `config` for sequences of `length` tokens on `device`.
    pub(crate) fn new(
        config: &DecoderConfig,
        encodings: &BTreeMap<String, Arc<dyn PositionalEncoding>>,
        length: usize,
        device: &Device,
    ) -> Self {
        let kinds = encodings
            .iter()
            .map(|(name, encoding)| {
                let kind = &config.layers[name];
                let tables = KindPositions::new(config, kind, encoding.as_ref(), length, device);
                (name.clone(), tables)
            })
            .collect();
        Self {
            length,
            absolute: absolute_table(config, encodings, length, device),
            kinds,
            layers: BTreeMap::new(),
        }
    }

    /// Longest sequence the tables cover, in tokens.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The tables of `layer`, whose kind is `kind`.
    pub(crate) fn layer(&self, layer: usize, kind: &str) -> &KindPositions {
        self.layers.get(&layer).unwrap_or_else(|| &self.kinds[kind])
    }

    /// These tables with `observer` in every layer of a decoder of shape `config`.
    pub(crate) fn observed(mut self, config: &DecoderConfig, observer: &Arc<dyn Observer>) -> Self {
        for layer in 0..config.num_hidden_layers {
            let mut tables = self.layer(layer, config.layer(layer).0).clone();
            tables.tap = Some(Tap {
                layer,
                observer: Arc::clone(observer),
            });
            self.layers.insert(layer, tables);
        }
        self
    }

    /// These tables with `interventions`, which fit `config`, in their layers.
    pub(crate) fn intervened(
        mut self,
        config: &DecoderConfig,
        encodings: &BTreeMap<String, Arc<dyn PositionalEncoding>>,
        interventions: &[Intervention],
        device: &Device,
    ) -> Self {
        for (layer, interventions) in intervention::by_layer(interventions) {
            let (name, kind) = config.layer(layer);
            let mut tables = self.layer(layer, name).clone();
            let spectrum = encodings[name].spectrum();
            if let Some(stilled) = spectrum.and_then(|s| intervention::stilled(s, &interventions)) {
                tables.rotary = rotary_tables(&stilled, self.length, device);
            }
            let (heads, head_dim) = (config.num_attention_heads, config.head_dim_of(kind));
            let mask = intervention::mask(&interventions, heads, head_dim, device);
            tables.mask = mask.or(tables.mask);
            self.layers.insert(layer, tables);
        }
        self
    }
}

/// Cosines and sines of positions `0..length`, each `[1, T, 1, D/2]`; `None` for the identity rotation.
pub(crate) fn rotary_tables(
    spectrum: &Spectrum,
    length: usize,
    device: &Device,
) -> Option<(Tensor<4>, Tensor<4>)> {
    if spectrum.is_identity() {
        return None;
    }
    let tables = spectrum.tables(0..length);
    let shape = [1, length, 1, tables.pairs];
    let to_device = |values| Tensor::from_data(TensorData::new(values, shape), device);
    Some((to_device(tables.cos), to_device(tables.sin)))
}

impl KindPositions {
    fn new(
        config: &DecoderConfig,
        kind: &LayerKind,
        encoding: &dyn PositionalEncoding,
        length: usize,
        device: &Device,
    ) -> Self {
        let rotary = encoding
            .spectrum()
            .and_then(|spectrum| rotary_tables(spectrum, length, device));
        let query_scale = encoding.scales_logits().then(|| {
            let scales: Vec<f32> = (0..length)
                .map(|i| encoding.logit_scale(i) as f32)
                .collect();
            Tensor::from_data(TensorData::new(scales, [1, length, 1, 1]), device)
        });
        let bias = encoding.has_bias().then(|| {
            let of_head = |head| (0..length).map(move |distance| (head, distance));
            let table = (0..config.num_attention_heads).flat_map(of_head);
            let table = table.map(|(head, distance)| encoding.bias(head, distance).unwrap_or(0.0));
            Arc::new(table.map(|bias| bias as f32).collect())
        });
        Self {
            rotary,
            query_scale,
            window: kind.sliding_window,
            bias,
            length,
            groups: config.num_attention_heads / config.kv_heads_of(kind),
            offsets: Arc::new(OnceLock::new()),
            mask: None,
            tap: None,
        }
    }

    /// What is added to the scaled logits of the last `queries` of `keys` positions in a row: the mask
    /// and the bias, `[1, K, G, Q, S]` (K and G are 1 without a bias: all heads hide the same keys).
    ///
    /// Queries come `chunk` at a time. Since an offset depends on the distance alone, every chunk's
    /// matrix is the lower right corner of the longest one, which is made once and shared by all
    /// layers of the kind.
    pub fn offsets(&self, queries: usize, keys: usize, chunk: usize, device: &Device) -> Tensor<5> {
        let (made_for, table) = self
            .offsets
            .get_or_init(|| (chunk, self.offset_table(chunk, device)));
        let table = if *made_for == chunk {
            table.clone()
        } else {
            self.offset_table(chunk, device)
        };
        let width = table.dims()[4];
        table
            .narrow(3, chunk - queries, queries)
            .narrow(4, width - keys, keys)
    }

    /// Bias by distance for sequences of `length` tokens, `[H, length]`.
    pub fn bias_up_to(&self, length: usize) -> Option<Arc<Vec<f32>>> {
        let table = self.bias.as_ref()?;
        if length == self.length {
            return Some(Arc::clone(table));
        }
        let rows = table.chunks_exact(self.length);
        let rows = rows.flat_map(|row| &row[..length]).copied();
        Some(Arc::new(rows.collect()))
    }

    /// The offsets of the last `chunk` positions against all keys that any of them sees.
    fn offset_table(&self, chunk: usize, device: &Device) -> Tensor<5> {
        let window = self.window.unwrap_or(self.length);
        let width = self.length.min(chunk + window - 1); // S
        let [kv_heads, groups] = match &self.bias {
            Some(bias) => [bias.len() / self.length / self.groups, self.groups],
            None => [1, 1],
        };
        let mut values = Vec::with_capacity(kv_heads * groups * chunk * width);
        for head in 0..kv_heads * groups {
            let bias = self.bias.as_ref().map(|table| &table[head * self.length..]);
            // Keys that follow a query come first in this count: of the last query, none.
            for later in (0..chunk).rev() {
                values.extend(
                    (0..width)
                        .rev()
                        .map(|from_end| match from_end.checked_sub(later) {
                            Some(distance) if distance < window => {
                                bias.map_or(0.0, |table| table[distance])
                            }
                            _ => HIDDEN,
                        }),
                );
            }
        }
        let shape = [1, kv_heads, groups, chunk, width];
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

/// The sum of the distinct absolute encodings of all layer kinds, `[1, T, C]`.
fn absolute_table(
    config: &DecoderConfig,
    encodings: &BTreeMap<String, Arc<dyn PositionalEncoding>>,
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
