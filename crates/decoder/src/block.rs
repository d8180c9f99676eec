//! One block: attention and a gated feed-forward layer around the residual stream.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

use crate::attention::Attention;
use crate::config::{Activation, DecoderConfig, NormGain};
use crate::execution::{Execution, Kernels};
use crate::init::Initializer;
use crate::pass::Carried;
use crate::per_layer::PerLayerInput;
use crate::positions::KindPositions;

/// Root-mean-square norm over the last dimension, in f32.
#[derive(Module, Debug)]
pub struct RmsNorm {
    weight: Param<Tensor<1>>,
    #[module(skip)]
    gain: NormGain,
    #[module(skip)]
    eps: f64,
}

impl RmsNorm {
    pub(crate) fn new(
        path: &str,
        width: usize,
        config: &DecoderConfig,
        init: &Initializer<'_>,
    ) -> Self {
        let start = match config.norm_gain {
            NormGain::OnePlus => 0.0,
            NormGain::Plain => 1.0,
        };
        Self {
            weight: init.constant(&format!("{path}.weight"), width, start),
            gain: config.norm_gain,
            eps: config.rms_norm_eps,
        }
    }

    /// `x / sqrt(mean(x^2) + eps)` times the gain; any leading dimensions.
    pub(crate) fn forward<const R: usize>(&self, x: Tensor<R>, execution: Execution) -> Tensor<R> {
        let offset = self.gain.offset();
        if execution.kernels == Kernels::Fused {
            let norm = fused::Norm {
                offset,
                epsilon: self.eps as f32,
            };
            return fused::rms_norm(x, self.weight.val(), norm);
        }
        let weight = match self.gain {
            NormGain::OnePlus => self.weight.val() + offset,
            NormGain::Plain => self.weight.val(),
        };
        normalize(x, self.eps, execution) * weight.unsqueeze::<R>()
    }
}

/// `x / sqrt(mean(x^2) + eps)` over the last dimension.
pub(crate) fn normalize<const R: usize>(x: Tensor<R>, eps: f64, execution: Execution) -> Tensor<R> {
    if execution.kernels == Kernels::Fused {
        return fused::normalize(x, eps);
    }
    let mean_square = (x.clone() * x.clone()).mean_dim(R - 1); // last dimension 1
    x / (mean_square + eps).sqrt()
}

/// `GeGLU` or `SwiGLU`: `down(act(gate(x)) * up(x))`; weights are `[in, out]`.
#[derive(Module, Debug)]
pub struct Mlp {
    gate_proj: Param<Tensor<2>>,
    up_proj: Param<Tensor<2>>,
    down_proj: Param<Tensor<2>>,
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    fn new(config: &DecoderConfig, layer: usize, path: &str, init: &Initializer<'_>) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size_of(layer));
        let std = (width as f64).powf(-0.5);
        let out_std = (inner as f64).powf(-0.5) / (2.0 * config.num_hidden_layers as f64).sqrt();
        Self {
            gate_proj: init.normal(&format!("{path}.gate_proj"), [width, inner], std),
            up_proj: init.normal(&format!("{path}.up_proj"), [width, inner], std),
            down_proj: init.normal(&format!("{path}.down_proj"), [inner, width], out_std),
            activation: config.hidden_activation,
        }
    }

    fn forward(&self, x: Tensor<2>, execution: Execution) -> Tensor<2> {
        let gated = execution.linear(x.clone(), self.gate_proj.val()); // [N, F]
        let up = execution.linear(x, self.up_proj.val()); // [N, F]
        let inner = gate(gated, up, self.activation, execution);
        execution.linear(inner, self.down_proj.val()) // [N, C]
    }
}

/// `act(x) * y`, elementwise.
pub(crate) fn gate(
    x: Tensor<2>,
    y: Tensor<2>,
    activation: Activation,
    execution: Execution,
) -> Tensor<2> {
    match (activation, execution.kernels) {
        (Activation::GeluTanh, Kernels::Fused) => fused::geglu(x, y),
        (Activation::GeluTanh, Kernels::Plain) => gelu_tanh(x) * y,
        // No kernel of its own.
        (Activation::Silu, _) => x.clone() * sigmoid(x) * y,
    }
}

/// The tanh form of GELU, `x/2 * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
///
/// Written with the logistic function, `(1 + tanh(z)) / 2 = sigmoid(2z)`, and a product for the cube:
/// Burn's own form calls `powf`, twice the cost on a CPU.
pub(crate) fn gelu_tanh<const R: usize>(x: Tensor<R>) -> Tensor<R> {
    const TWO_SQRT_2_OVER_PI: f64 =
        2.0 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
    let cube_term = (x.clone() * x.clone() * 0.044_715 + 1.0) * TWO_SQRT_2_OVER_PI;
    x.clone() * sigmoid(x * cube_term)
}

/// Attention and feed-forward layer of one block, with its norms.
#[derive(Module, Debug)]
pub struct Block {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: Option<RmsNorm>,
    pre_feedforward_layernorm: RmsNorm,
    mlp: Mlp,
    post_feedforward_layernorm: Option<RmsNorm>,
    per_layer: Option<PerLayerInput>,
    layer_scalar: Option<Param<Tensor<1>>>,
    /// Name of the layer's kind.
    #[module(skip)]
    kind: String,
}

impl Block {
    pub(crate) fn new(config: &DecoderConfig, layer: usize, init: &Initializer<'_>) -> Self {
        let (name, kind) = config.layer(layer);
        let path = format!("layers.{layer}");
        let norm =
            |name: &str| RmsNorm::new(&format!("{path}.{name}"), config.hidden_size, config, init);
        let post_norm = |name: &str| config.post_norms.then(|| norm(name));
        Self {
            input_layernorm: norm("input_layernorm"),
            self_attn: Attention::new(config, kind, layer, &format!("{path}.self_attn"), init),
            post_attention_layernorm: post_norm("post_attention_layernorm"),
            pre_feedforward_layernorm: norm("pre_feedforward_layernorm"),
            mlp: Mlp::new(config, layer, &format!("{path}.mlp"), init),
            post_feedforward_layernorm: post_norm("post_feedforward_layernorm"),
            per_layer: (config.hidden_size_per_layer_input > 0)
                .then(|| PerLayerInput::new(config, layer, &format!("{path}.per_layer"), init)),
            layer_scalar: config
                .layer_scalar
                .then(|| init.constant(&format!("{path}.layer_scalar"), 1, 1.0)),
            kind: name.to_owned(),
        }
    }

    /// `x` `[N, C]`, `batch` sequences one after the other; returns `[N, C]`.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        batch: usize,
        positions: &KindPositions,
        carried: &mut Carried,
        execution: Execution,
    ) -> Tensor<2> {
        let normed = self.input_layernorm.forward(x.clone(), execution);
        let shared = carried.key_values.remove(&self.kind);
        let (attended, shared) = self
            .self_attn
            .forward(normed, batch, positions, shared, execution);
        if let Some(shared) = shared {
            carried.key_values.insert(self.kind.clone(), shared);
        }
        let attended = post(self.post_attention_layernorm.as_ref(), attended, execution);
        let x = x + attended;
        let normed = self.pre_feedforward_layernorm.forward(x.clone(), execution);
        let fed = self.mlp.forward(normed, execution);
        let x = x + post(self.post_feedforward_layernorm.as_ref(), fed, execution);
        let x = match (&self.per_layer, &carried.per_layer_inputs) {
            (Some(layer), Some(inputs)) => layer.forward(x, inputs, execution),
            _ => x,
        };
        match &self.layer_scalar {
            Some(scalar) => x * scalar.val().unsqueeze::<2>(), // [1, 1]
            None => x,
        }
    }
}

fn post(norm: Option<&RmsNorm>, x: Tensor<2>, execution: Execution) -> Tensor<2> {
    match norm {
        Some(norm) => norm.forward(x, execution),
        None => x,
    }
}
