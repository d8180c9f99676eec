//! Looking into attention while a decoder runs.

use std::fmt::{self, Debug};
use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use crate::attention::soft_cap;
use crate::positions::KindPositions;

/// Told what attention computes, layer by layer in order, while [`crate::Decoder::hidden_states`] runs with
/// [`crate::Decoder::observed`]. The tensors are handles: what is not kept is freed with the layer.
///
/// Every method does nothing unless overridden. One pass at a time: two passes at once through the same
/// positions are told in whatever order they run.
pub trait Observer: Send + Sync {
    /// Queries `[B, T, H, D]` of `layer` before their rotation, and after it (and after the encoding's factor
    /// and an intervention, where there are any).
    fn queries(&self, layer: usize, before: &Tensor<4>, after: &Tensor<4>) {
        let _ = (layer, before, after);
    }

    /// Keys `[B, T, K, D]` of `layer` before and after their rotation.
    fn keys(&self, layer: usize, before: &Tensor<4>, after: &Tensor<4>) {
        let _ = (layer, before, after);
    }

    /// What the attention of `layer` mixes, and how.
    fn attention(&self, layer: usize, inputs: &AttentionInputs<'_>) {
        let _ = (layer, inputs);
    }
}

/// An observer and the layer it watches.
#[derive(Clone)]
pub(crate) struct Tap {
    pub layer: usize,
    pub observer: Arc<dyn Observer>,
}

impl Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tap(layer {})", self.layer)
    }
}

/// Queries, keys and values of one layer as its softmax meets them.
pub struct AttentionInputs<'a> {
    /// Queries `[B, T, H, D]`, rotated.
    pub q: &'a Tensor<4>,
    /// Keys `[B, T, K, D]`, rotated. Query head `h` reads key-value head `h / (H/K)`.
    pub k: &'a Tensor<4>,
    /// Values `[B, T, K, D]`.
    pub v: &'a Tensor<4>,
    /// Factor of `q·k`.
    pub scale: f64,
    /// `c * tanh(logit / c)` on the scaled product.
    pub softcap: Option<f64>,
    pub(crate) positions: &'a KindPositions,
}

/// Attention of a range of queries.
pub struct AttentionWeights {
    /// The queries, Q of them.
    pub queries: Range<usize>,
    /// The keys that any of them sees, S of them. What a query does not see has weight 0.
    pub keys: Range<usize>,
    /// Weights `[B, H, Q, S]`; each row sums to 1.
    pub weights: Tensor<4>,
}

impl AttentionInputs<'_> {
    /// Attention weights of `chunk` queries at a time, from the first on. Memory is that of one chunk,
    /// `B * H * chunk * T`.
    pub fn weights(&self, chunk: usize) -> impl Iterator<Item = AttentionWeights> {
        let length = self.q.dims()[1];
        let chunk = chunk.clamp(1, length);
        (0..length)
            .step_by(chunk)
            .map(move |start| self.chunk(start..(start + chunk).min(length), chunk))
    }

    fn chunk(&self, queries: Range<usize>, chunk: usize) -> AttentionWeights {
        let [batch, _, heads, head_dim] = self.q.dims();
        let kv_heads = self.k.dims()[2];
        let groups = heads / kv_heads;
        let first_key = self
            .positions
            .window
            .map_or(0, |window| (queries.start + 1).saturating_sub(window));
        let keys = first_key..queries.end;
        let q = (self.q.clone().narrow(1, queries.start, queries.len()) * self.scale)
            .reshape([batch, queries.len(), kv_heads, groups, head_dim])
            .permute([0, 2, 3, 1, 4]) // [B, K, G, Q, D]
            .reshape([batch, kv_heads, groups * queries.len(), head_dim]);
        let k = self.k.clone().narrow(1, keys.start, keys.len());
        let scores = q.matmul(k.permute([0, 2, 3, 1])); // [B, K, G*Q, S]
        let shape = [batch, kv_heads, groups, queries.len(), keys.len()];
        let scores = soft_cap(scores, self.softcap).reshape(shape);
        let device = scores.device();
        let offsets = self
            .positions
            .offsets(queries.len(), keys.len(), chunk, &device);
        let weights =
            softmax(scores + offsets, 4).reshape([batch, heads, queries.len(), keys.len()]);
        AttentionWeights {
            queries,
            keys,
            weights,
        }
    }
}
