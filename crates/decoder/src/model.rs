//! The whole decoder: embedding, blocks, final norm, head.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::activation::log_softmax;
use burn::tensor::module::embedding;
use burn::tensor::{Device, Int, Tensor};
use positional::PositionalEncoding;

use crate::attention::soft_cap;
use crate::block::{Block, RmsNorm};
use crate::config::{DecoderConfig, DecoderError};
use crate::execution::{Execution, Kernels};
use crate::init::{Initializer, Values};
use crate::intervention::{Intervention, InterventionError};
use crate::observation::Observer;
use crate::pass::{Carried, ResidualStream};
use crate::per_layer::PerLayerEmbedding;
use crate::positions::Positions;
use crate::precision::Precision;

/// Most logits alive at once where no graph keeps them, in elements.
const LOGITS: usize = 1 << 22;

/// A decoder with its weights on one device.
#[derive(Module, Debug)]
pub struct Decoder {
    embed_tokens: Param<Tensor<2>>,
    layers: Vec<Block>,
    norm: RmsNorm,
    /// Output head `[V, C]`, where it is not the embedding.
    lm_head: Option<Param<Tensor<2>>>,
    per_layer: Option<PerLayerEmbedding>,
    #[module(skip)]
    config: DecoderConfig,
    #[module(skip)]
    encodings: BTreeMap<String, Arc<dyn PositionalEncoding>>,
}

impl Decoder {
    /// A decoder with random weights, a pure function of `config` and `seed` on every device.
    ///
    /// # Errors
    /// If `config` is impossible.
    pub fn new(config: DecoderConfig, seed: u64, device: &Device) -> Result<Self, DecoderError> {
        let values = Values::Drawn(seed);
        Self::assemble(config, &Initializer { values, device })
    }

    /// A decoder whose parameters are what `read` gives for each name and shape, row-major, one after the
    /// other: nothing is drawn, and one parameter at a time is on the host.
    ///
    /// # Errors
    /// If `config` is impossible, and the first error of `read`, which is not called again after it.
    ///
    /// # Panics
    /// If `read` gives another number of values than the shape has.
    pub fn from_values<E: From<DecoderError>>(
        config: DecoderConfig,
        device: &Device,
        mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let mut failure = None;
        let mut until_failure = |name: &str, shape: &[usize]| {
            if failure.is_some() {
                return None;
            }
            read(name, shape)
                .map_err(|error| failure = Some(error))
                .ok()
        };
        let values = Values::Read(RefCell::new(&mut until_failure));
        let decoder = Self::assemble(config, &Initializer { values, device })?;
        failure.map_or(Ok(decoder), Err)
    }

    fn assemble(config: DecoderConfig, init: &Initializer<'_>) -> Result<Self, DecoderError> {
        config.validate()?;
        let encodings = build_encodings(&config)?;
        // The embedding is scaled by sqrt(C) on the way in and used unscaled as the head, where
        // rows of norm about 1 give logits of order 1 from normalised hidden states.
        let std = (config.hidden_size as f64).powf(-0.5);
        let shape = [config.vocab_size, config.hidden_size];
        Ok(Self {
            embed_tokens: init.normal("embed_tokens", shape, std),
            layers: (0..config.num_hidden_layers)
                .map(|layer| Block::new(&config, layer, init))
                .collect(),
            norm: RmsNorm::new("norm", config.hidden_size, &config, init),
            lm_head: (!config.tie_word_embeddings).then(|| init.normal("lm_head", shape, std)),
            per_layer: (config.hidden_size_per_layer_input > 0)
                .then(|| PerLayerEmbedding::new(&config, "per_layer", init)),
            encodings,
            config,
        })
    }

    /// Where the weights are, without autodiff.
    pub fn device(&self) -> Device {
        self.embed_tokens.val().device().inner()
    }

    /// The shape this decoder was built from.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The positional encoding of each layer kind.
    pub fn encodings(&self) -> &BTreeMap<String, Arc<dyn PositionalEncoding>> {
        &self.encodings
    }

    /// Tables for sequences of up to `length` tokens on `device`.
    pub fn positions(&self, length: usize, device: &Device) -> Positions {
        Positions::new(&self.config, &self.encodings, length, device)
    }

    /// `positions` with `observer` in every layer: it is told what the next passes with them compute, which is
    /// what they compute without it.
    #[must_use]
    pub fn observed(&self, positions: &Positions, observer: &Arc<dyn Observer>) -> Positions {
        positions.clone().observed(&self.config, observer)
    }

    /// `positions` with `interventions` in them. Without any, or with none that has pairs, passes with the
    /// result compute what they compute with `positions`, bit for bit. An intervention that removes pairs
    /// takes the place of an earlier one in the same layer.
    ///
    /// # Errors
    /// If a layer, head or pair is not there, or [`InterventionError::IdentityOfHeads`].
    pub fn intervened(
        &self,
        positions: &Positions,
        interventions: &[Intervention],
    ) -> Result<Positions, InterventionError> {
        for intervention in interventions {
            intervention.check(&self.config)?;
        }
        let device = self.device();
        Ok(positions
            .clone()
            .intervened(&self.config, &self.encodings, interventions, &device))
    }

    /// Final hidden states `[B*T, C]` of `tokens` `[B, T]`.
    ///
    /// # Panics
    /// If the sequences are longer than `positions`.
    pub fn hidden_states(
        &self,
        tokens: Tensor<2, Int>,
        positions: &Positions,
        execution: Execution,
    ) -> Tensor<2> {
        self.finish(
            self.begin(tokens, positions, execution),
            positions,
            execution,
        )
    }

    /// The residual stream of `tokens` `[B, T]` before the first layer.
    ///
    /// # Panics
    /// If the sequences are longer than `positions`.
    pub fn begin(
        &self,
        tokens: Tensor<2, Int>,
        positions: &Positions,
        execution: Execution,
    ) -> ResidualStream {
        let [batch, length] = tokens.dims();
        assert!(
            length <= positions.length(),
            "a sequence of {length} tokens needs positions beyond {}",
            positions.length()
        );
        let x = self.embed(tokens.clone(), positions, execution); // [N, C]
        let carried = self.carried(tokens, &x, execution);
        ResidualStream {
            x,
            batch,
            layer: 0,
            carried,
        }
    }

    /// `stream` before `layer`, through the blocks that lie between; it does not go back.
    ///
    /// # Panics
    /// If there is no such layer and `layer` is not their number.
    #[must_use]
    pub fn advance(
        &self,
        stream: ResidualStream,
        layer: usize,
        positions: &Positions,
        execution: Execution,
    ) -> ResidualStream {
        let ResidualStream {
            mut x,
            batch,
            layer: next,
            mut carried,
        } = stream;
        for between in next..layer {
            x = self.block(between, x, batch, positions, &mut carried, execution);
        }
        ResidualStream {
            x,
            batch,
            layer: layer.max(next),
            carried,
        }
    }

    /// Final hidden states `[B*T, C]` of `stream`, through all blocks that are left.
    pub fn finish(
        &self,
        stream: ResidualStream,
        positions: &Positions,
        execution: Execution,
    ) -> Tensor<2> {
        let stream = self.advance(stream, self.num_layers(), positions, execution);
        self.final_norm(stream.x, execution)
    }

    /// What blocks hand each other, at the start of a pass over `tokens` `[B, T]` with `embedded` `[N, C]`.
    pub(crate) fn carried(
        &self,
        tokens: Tensor<2, Int>,
        embedded: &Tensor<2>,
        execution: Execution,
    ) -> Carried {
        let inputs = self
            .per_layer
            .as_ref()
            .map(|embedding| embedding.forward(tokens, embedded.clone(), execution));
        Carried {
            per_layer_inputs: inputs,
            ..Carried::default()
        }
    }

    pub(crate) fn num_layers(&self) -> usize {
        self.layers.len()
    }

    /// Block `layer` over `x` `[N, C]`, `batch` sequences one after the other; returns `[N, C]`.
    pub(crate) fn block(
        &self,
        layer: usize,
        x: Tensor<2>,
        batch: usize,
        positions: &Positions,
        carried: &mut Carried,
        execution: Execution,
    ) -> Tensor<2> {
        let (kind, _) = self.config.layer(layer);
        self.layers[layer].forward(x, batch, positions.layer(layer, kind), carried, execution)
    }

    /// Final hidden states of the residual stream, both `[N, C]`.
    pub(crate) fn final_norm(&self, x: Tensor<2>, execution: Execution) -> Tensor<2> {
        self.norm.forward(x, execution)
    }

    /// Embeddings `[N, C]` of `tokens` `[B, T]`.
    pub(crate) fn embed(
        &self,
        tokens: Tensor<2, Int>,
        positions: &Positions,
        execution: Execution,
    ) -> Tensor<2> {
        let [batch, length] = tokens.dims();
        let width = self.config.hidden_size;
        let scale = if self.config.scale_embeddings {
            (width as f64).sqrt()
        } else {
            1.0
        };
        let flat = [batch * length, width];
        let table = self.embed_tokens.val();
        let embedded = match execution.kernels {
            Kernels::Fused => fused::embedding(table, tokens, scale), // [N, C]
            Kernels::Plain if self.config.scale_embeddings => {
                (embedding(table, tokens) * scale).reshape(flat)
            }
            Kernels::Plain => embedding(table, tokens).reshape(flat),
        };
        match &positions.absolute {
            Some(table) => {
                let table = table.clone().narrow(1, 0, length); // [1, T, C]
                (embedded.reshape([batch, length, width]) + table).reshape(flat)
            }
            None => embedded,
        }
    }

    /// The output head, `[V, C]`.
    fn head(&self) -> Tensor<2> {
        self.lm_head.as_ref().unwrap_or(&self.embed_tokens).val()
    }

    /// Output logits `[N, V]` of hidden states `[N, C]`.
    pub fn logits(&self, hidden: Tensor<2>, precision: Precision) -> Tensor<2> {
        let logits = precision.matmul(hidden, self.head().transpose());
        soft_cap(logits, self.config.final_logit_softcapping)
    }

    /// Negative log-likelihood in nats, `[N]`, of `targets` `[N]` given hidden states `[N, C]`.
    pub fn token_losses(
        &self,
        hidden: Tensor<2>,
        targets: Tensor<1, Int>,
        execution: Execution,
    ) -> Tensor<1> {
        let device = hidden.device();
        if execution.fuses_loss(&device)
            && execution.precision == Precision::F32
            && !device.is_autodiff()
        {
            let softcap = self.config.final_logit_softcapping;
            return fused::token_losses(hidden, self.head(), targets, softcap);
        }
        let rows = hidden.dims()[0];
        // Without a graph that keeps them, a chunk's logits are free when its losses are known.
        let at_once = if hidden.device().is_autodiff() {
            rows
        } else {
            (LOGITS / self.config.vocab_size).max(1)
        };
        let chunks = (0..rows).step_by(at_once).map(|start| {
            let count = at_once.min(rows - start);
            let hidden = hidden.clone().narrow(0, start, count); // [Q, C]
            let targets = targets.clone().narrow(0, start, count).reshape([count, 1]);
            let logits = self.logits(hidden, execution.precision); // [Q, V]
            log_softmax(logits, 1)
                .gather(1, targets) // [Q, 1]
                .reshape([count])
                .neg()
        });
        Tensor::cat(chunks.collect(), 0)
    }

    /// The most likely token after each of the hidden states `[N, C]`, `[N]`, in f32; a chunk's logits at a time.
    pub fn predictions(&self, hidden: Tensor<2>) -> Tensor<1, Int> {
        let rows = hidden.dims()[0];
        let at_once = (LOGITS / self.config.vocab_size).max(1);
        let chunks = (0..rows).step_by(at_once).map(|start| {
            let count = at_once.min(rows - start);
            let logits = self.logits(hidden.clone().narrow(0, start, count), Precision::F32); // [Q, V]
            logits.argmax(1).reshape([count])
        });
        Tensor::cat(chunks.collect(), 0)
    }

    /// `scale` times the sum of [`Self::token_losses`], `[1]`: what training descends.
    pub fn loss(
        &self,
        hidden: Tensor<2>,
        targets: Tensor<1, Int>,
        scale: f64,
        execution: Execution,
    ) -> Tensor<1> {
        if execution.fuses_loss(&hidden.device()) {
            let head = fused::Head {
                softcap: self.config.final_logit_softcapping.map(|cap| cap as f32),
                scale: scale as f32,
                bf16: execution.precision == Precision::Bf16,
            };
            return fused::loss(hidden, self.head(), targets, head);
        }
        self.token_losses(hidden, targets, execution).sum() * scale
    }
}

fn build_encodings(
    config: &DecoderConfig,
) -> Result<BTreeMap<String, Arc<dyn PositionalEncoding>>, DecoderError> {
    config
        .layers
        .iter()
        .map(|(name, kind)| {
            let encoding = kind
                .encoding
                .build(config.attention_shape(kind))
                .map_err(|source| DecoderError::Encoding {
                    kind: name.clone(),
                    source,
                })?;
            Ok((name.clone(), encoding))
        })
        .collect()
}
