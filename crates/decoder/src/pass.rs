//! What the blocks of one forward pass hand each other beside the residual stream.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

/// Keys and values `[B, T, K, D]` of a layer, rotated and normalised, for the layers that use them again.
#[derive(Clone, Debug)]
pub(crate) struct KeyValues {
    pub keys: Tensor<4>,
    pub values: Tensor<4>,
}

/// Begins a forward pass empty, and is dropped at its end.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// By layer kind, from the last layer of it that has keys and values of its own.
    pub key_values: BTreeMap<String, KeyValues>,
    /// Inputs of all layers, `[N, L*P]`.
    pub per_layer_inputs: Option<Tensor<2>>,
}
