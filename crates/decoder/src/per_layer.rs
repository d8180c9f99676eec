//! Per-layer embeddings: every layer gets an input of its own beside the residual stream (Gemma 4 E2B and
//! E4B).

use burn::module::{Module, Param};
use burn::tensor::module::embedding;
use burn::tensor::{Int, Tensor};

use crate::block::{RmsNorm, gate};
use crate::config::{Activation, DecoderConfig};
use crate::execution::Execution;
use crate::init::Initializer;

/// Makes the inputs of all layers from the tokens and their embeddings.
#[derive(Module, Debug)]
pub struct PerLayerEmbedding {
    /// `[V, L*P]`.
    embed_tokens_per_layer: Param<Tensor<2>>,
    /// `[C, L*P]`.
    per_layer_model_projection: Param<Tensor<2>>,
    per_layer_projection_norm: RmsNorm,
    #[module(skip)]
    width: usize,
}

impl PerLayerEmbedding {
    pub(crate) fn new(config: &DecoderConfig, path: &str, init: &Initializer<'_>) -> Self {
        let width = config.hidden_size_per_layer_input;
        let all = config.num_hidden_layers * width;
        let table = [config.vocab_size, all];
        let std = (config.hidden_size as f64).powf(-0.5);
        Self {
            embed_tokens_per_layer: init.normal(
                &format!("{path}.embed_tokens_per_layer"),
                table,
                (width as f64).powf(-0.5),
            ),
            per_layer_model_projection: init.normal(
                &format!("{path}.per_layer_model_projection"),
                [config.hidden_size, all],
                std,
            ),
            per_layer_projection_norm: RmsNorm::new(
                &format!("{path}.per_layer_projection_norm"),
                width,
                config,
                init,
            ),
            width,
        }
    }

    /// Inputs of all layers `[N, L*P]`: `(norm(x W / sqrt(C)) + sqrt(P) E[token]) / sqrt(2)`, layer by layer;
    /// `tokens` `[B, T]`, their scaled embeddings `embedded` `[N, C]`.
    pub(crate) fn forward(
        &self,
        tokens: Tensor<2, Int>,
        embedded: Tensor<2>,
        execution: Execution,
    ) -> Tensor<2> {
        let [rows, hidden_size] = embedded.dims();
        let table = self.embed_tokens_per_layer.val();
        let all = table.dims()[1]; // L*P
        let looked_up = embedding(table, tokens) * (self.width as f64).sqrt(); // [B, T, L*P]
        let projected = execution.linear(embedded, self.per_layer_model_projection.val());
        let projected = projected * (hidden_size as f64).powf(-0.5); // [N, L*P]
        let projected = projected.reshape([rows, all / self.width, self.width]);
        let projected = self.per_layer_projection_norm.forward(projected, execution);
        (projected.reshape([rows, all]) + looked_up.reshape([rows, all]))
            * std::f64::consts::FRAC_1_SQRT_2
    }
}

/// Adds a layer's own input to the residual stream.
#[derive(Module, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of Hugging Face's checkpoints"
)]
pub struct PerLayerInput {
    /// `[C, P]`.
    per_layer_input_gate: Param<Tensor<2>>,
    /// `[P, C]`.
    per_layer_projection: Param<Tensor<2>>,
    post_per_layer_input_norm: RmsNorm,
    #[module(skip)]
    activation: Activation,
    /// First column of this layer's input among those of all layers.
    #[module(skip)]
    first: usize,
}

impl PerLayerInput {
    pub(crate) fn new(
        config: &DecoderConfig,
        layer: usize,
        path: &str,
        init: &Initializer<'_>,
    ) -> Self {
        let (hidden, width) = (config.hidden_size, config.hidden_size_per_layer_input);
        Self {
            per_layer_input_gate: init.normal(
                &format!("{path}.per_layer_input_gate"),
                [hidden, width],
                (hidden as f64).powf(-0.5),
            ),
            per_layer_projection: init.normal(
                &format!("{path}.per_layer_projection"),
                [width, hidden],
                (width as f64).powf(-0.5),
            ),
            post_per_layer_input_norm: RmsNorm::new(
                &format!("{path}.post_per_layer_input_norm"),
                hidden,
                config,
                init,
            ),
            activation: config.hidden_activation,
            first: layer * width,
        }
    }

    /// `x + norm(W_o (act(W_g x) * input))`: `x` `[N, C]`, `inputs` of all layers `[N, L*P]`.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        inputs: &Tensor<2>,
        execution: Execution,
    ) -> Tensor<2> {
        let gated = execution.linear(x.clone(), self.per_layer_input_gate.val()); // [N, P]
        let input = inputs.clone().narrow(1, self.first, gated.dims()[1]); // [N, P]
        let inner = gate(gated, input, self.activation, execution);
        let added = execution.linear(inner, self.per_layer_projection.val()); // [N, C]
        x + self.post_per_layer_input_norm.forward(added, execution)
    }
}
