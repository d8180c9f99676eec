//! One block: attention and a gated feed-forward layer around the residual stream.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

use crate::attention::Attention;
use crate::config::{DecoderConfig, NormGain};
use crate::execution::{Execution, Kernels};
use crate::init::Initializer;
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
    pub(crate) fn new(width: usize, config: &DecoderConfig, init: &Initializer<'_>) -> Self {
        let start = match config.norm_gain {
            NormGain::OnePlus => 0.0,
            NormGain::Plain => 1.0,
        };
        Self {
            weight: init.constant(width, start),
            gain: config.norm_gain,
            eps: config.rms_norm_eps,
        }
    }

    /// `x / sqrt(mean(x^2) + eps)` times the gain; any leading dimensions.
    pub(crate) fn forward<const R: usize>(&self, x: Tensor<R>, execution: Execution) -> Tensor<R> {
        let offset = match self.gain {
            NormGain::OnePlus => 1.0,
            NormGain::Plain => 0.0,
        };
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

/// `GeGLU`: `down(gelu_tanh(gate(x)) * up(x))`; weights are `[in, out]`.
#[derive(Module, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of Hugging Face's checkpoints"
)]
pub struct Mlp {
    gate_proj: Param<Tensor<2>>,
    up_proj: Param<Tensor<2>>,
    down_proj: Param<Tensor<2>>,
}

impl Mlp {
    fn new(config: &DecoderConfig, path: &str, init: &Initializer<'_>) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let std = (width as f64).powf(-0.5);
        let out_std = (inner as f64).powf(-0.5) / (2.0 * config.num_hidden_layers as f64).sqrt();
        Self {
            gate_proj: init.normal(&format!("{path}.gate_proj"), [width, inner], std),
            up_proj: init.normal(&format!("{path}.up_proj"), [width, inner], std),
            down_proj: init.normal(&format!("{path}.down_proj"), [inner, width], out_std),
        }
    }

    fn forward(&self, x: Tensor<2>, execution: Execution) -> Tensor<2> {
        let gate = execution.linear(x.clone(), self.gate_proj.val()); // [N, F]
        let up = execution.linear(x, self.up_proj.val()); // [N, F]
        let inner = match execution.kernels {
            Kernels::Fused => fused::geglu(gate, up),
            Kernels::Plain => gelu_tanh(gate) * up,
        };
        execution.linear(inner, self.down_proj.val()) // [N, C]
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
}

impl Block {
    pub(crate) fn new(config: &DecoderConfig, layer: usize, init: &Initializer<'_>) -> Self {
        let (_, kind) = config.layer(layer);
        let path = format!("layers.{layer}");
        let norm = || RmsNorm::new(config.hidden_size, config, init);
        Self {
            input_layernorm: norm(),
            self_attn: Attention::new(config, kind, &format!("{path}.self_attn"), init),
            post_attention_layernorm: config.post_norms.then(norm),
            pre_feedforward_layernorm: norm(),
            mlp: Mlp::new(config, &format!("{path}.mlp"), init),
            post_feedforward_layernorm: config.post_norms.then(norm),
        }
    }

    /// `x` `[N, C]`, `batch` sequences one after the other; returns `[N, C]`.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        batch: usize,
        positions: &KindPositions,
        execution: Execution,
    ) -> Tensor<2> {
        let normed = self.input_layernorm.forward(x.clone(), execution);
        let attended = self.self_attn.forward(normed, batch, positions, execution);
        let attended = post(self.post_attention_layernorm.as_ref(), attended, execution);
        let x = x + attended;
        let normed = self.pre_feedforward_layernorm.forward(x.clone(), execution);
        let fed = self.mlp.forward(normed, execution);
        x + post(self.post_feedforward_layernorm.as_ref(), fed, execution)
    }
}

fn post(norm: Option<&RmsNorm>, x: Tensor<2>, execution: Execution) -> Tensor<2> {
    match norm {
        Some(norm) => norm.forward(x, execution),
        None => x,
    }
}
