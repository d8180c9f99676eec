//! A Gemma-style decoder with a pluggable positional encoding.
//!
//! Reading order: [`DecoderConfig`] says what a model looks like, [`Decoder`] runs it from token ids to
//! hidden states and logits, `block` and `attention` hold one layer, [`Positions`] turns each layer
//! kind's [`positional::PositionalEncoding`] into device tables once per sequence length.
//!
//! Letters in shape comments: `B` sequences, `T` positions, `N = B*T` rows, `C` hidden size, `H` query
//! heads, `K` key-value heads, `G = H/K` queries per key-value head, `D` head size, `F` feed-forward
//! size, `V` vocabulary, `Q` queries of a chunk, `S` keys that chunk sees.

mod attention;
mod block;
mod config;
mod cost;
mod execution;
mod gradients;
mod init;
mod intervention;
mod kernel_check;
mod model;
mod observation;
mod parameters;
mod pass;
mod per_layer;
mod positions;
mod precision;
mod presets;

pub use config::{Activation, DecoderConfig, DecoderError, LayerKind, NormGain};
pub use cost::StepShape;
pub use execution::{Execution, Kernels};
pub use gradients::{Activations, Examples};
pub use intervention::{Effect, Intervention, InterventionError};
pub use kernel_check::{KernelCheck, Workload, check_attention, check_operations};
pub use model::Decoder;
pub use observation::{AttentionInputs, AttentionWeights, Observer};
pub use parameters::{
    LoadError, NamedTensor, ParameterMapper, ParameterVisitor, for_each_parameter, load_parameters,
    map_parameters, named_tensors,
};
pub use pass::ResidualStream;
pub use positions::Positions;
pub use precision::Precision;
pub use presets::{PRESETS, Preset, preset};
