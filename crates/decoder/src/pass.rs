//! What the blocks of one forward pass hand each other.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

/// The residual stream of a pass between two blocks. [`crate::Decoder::begin`] makes it,
/// [`crate::Decoder::advance`] takes it through blocks, [`crate::Decoder::finish`] to the end. Passes that differ
/// from some layer on can go on from clones of one stream; they compute what whole passes compute, bit for bit.
#[derive(Clone, Debug)]
pub struct ResidualStream {
    /// `[N, C]`, B sequences one after the other.
    pub(crate) x: Tensor<2>,
    pub(crate) batch: usize,
    /// The next block.
    pub(crate) layer: usize,
    pub(crate) carried: Carried,
}

impl ResidualStream {
    /// The layer that it comes to next, 0-based; the number of layers after the last.
    pub fn layer(&self) -> usize {
        self.layer
    }
}

/// Keys and values `[B, T, K, D]` of a layer, rotated and normalised, for the layers that use them again.
#[derive(Clone, Debug)]
pub(crate) struct KeyValues {
    pub keys: Tensor<4>,
    pub values: Tensor<4>,
}

/// Begins a forward pass empty, and is dropped at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// By layer kind, from the last layer of it that has keys and values of its own.
    pub key_values: BTreeMap<String, KeyValues>,
    /// Inputs of all layers, `[N, L*P]`.
    pub per_layer_inputs: Option<Tensor<2>>,
}
