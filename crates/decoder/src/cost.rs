//! Parameters, floating-point operations and memory, counted from the shape alone.

use crate::config::{DecoderConfig, LayerKind};
use crate::execution::{Execution, Kernels};
use crate::gradients::Activations;

impl DecoderConfig {
    /// Trained numbers, a tied embedding counted once.
    pub fn num_parameters(&self) -> usize {
        let blocks: usize = (0..self.num_hidden_layers)
            .map(|layer| self.block_parameters(layer))
            .sum();
        let table = self.vocab_size * self.hidden_size;
        let head = if self.tie_word_embeddings { 0 } else { table };
        table + head + blocks + self.hidden_size + self.per_layer_parameters()
    }

    fn block_parameters(&self, layer: usize) -> usize {
        let (d, head_dim) = (self.hidden_size, self.head_dim_of(self.layer(layer).1));
        let norms = if self.post_norms { 4 } else { 2 } * d;
        let normed = if self.has_own_keys(layer) { 2 } else { 1 };
        let qk_norms = if self.qk_norm { normed * head_dim } else { 0 };
        let feed_forward = 3 * d * self.intermediate_size_of(layer);
        self.attention_weights(layer)
            + feed_forward
            + norms
            + qk_norms
            + usize::from(self.layer_scalar)
    }

    fn attention_weights(&self, layer: usize) -> usize {
        let kind = self.layer(layer).1;
        let query = self.num_attention_heads * self.head_dim_of(kind);
        let key = self.kv_heads_of(kind) * self.head_dim_of(kind);
        let key_value = match (self.has_own_keys(layer), kind.keys_are_values) {
            (false, _) => 0,
            (true, true) => key,
            (true, false) => 2 * key,
        };
        self.hidden_size * (2 * query + key_value)
    }

    fn has_own_keys(&self, layer: usize) -> bool {
        layer < self.first_kv_shared_layer()
    }

    /// Table, projection and norm of the per-layer inputs, then gate, projection and norm of each layer.
    fn per_layer_parameters(&self) -> usize {
        let (d, p) = (self.hidden_size, self.hidden_size_per_layer_input);
        if p == 0 {
            return 0;
        }
        let all = self.num_hidden_layers * p;
        self.vocab_size * all + d * all + p + self.num_hidden_layers * (2 * d * p + d)
    }

    /// Floating-point operations of one training step per token at sequences of `length` tokens.
    ///
    /// `6 N` for the matrices (2 forward, 4 backward; the embedding lookup costs nothing, its tied use
    /// as the output head counts) plus attention: `12 * heads * head_dim` per visible key. A causal
    /// query at position i sees `min(i + 1, window)` keys, so the mean over positions is counted: half
    /// of the dense `12 * L * d * T` of the `PaLM` convention when every layer is global.
    pub fn training_flops_per_token(&self, length: usize) -> f64 {
        let norms_and_matrices = self.num_parameters() as f64;
        let attention: f64 = (0..self.num_hidden_layers)
            .map(|layer| {
                let kind = self.layer(layer).1;
                let width = (self.num_attention_heads * self.head_dim_of(kind)) as f64;
                12.0 * width * mean_visible_keys(length, kind.sliding_window)
            })
            .sum();
        6.0 * (norms_and_matrices - self.looked_up_only() as f64) + attention
    }

    /// Parameters that are only ever looked up: an embedding that is not the head, and a per-layer one.
    fn looked_up_only(&self) -> usize {
        let per_layer = self.num_hidden_layers * self.hidden_size_per_layer_input;
        let untied = if self.tie_word_embeddings {
            0
        } else {
            self.hidden_size
        };
        self.vocab_size * (untied + per_layer)
    }

    /// A rough peak of training memory in bytes: weights, two moments, the gradients of each pass, and the
    /// activations that its backward pass needs, all in f32.
    ///
    /// Counted from what the graph of each kind of kernels keeps. An estimate within a factor of two, for
    /// planning; the allocator and the backend have the last word.
    pub fn training_bytes(&self, step: &StepShape) -> f64 {
        let layers = || (0..self.num_hidden_layers).map(|layer| self.layer(layer).1);
        let of_block = |kind| self.activations_per_token(kind, step);
        let blocks: usize = match step.activations {
            Activations::Kept => layers().map(of_block).sum(),
            Activations::RecomputedPerBlock => {
                self.num_hidden_layers * self.hidden_size
                    + layers().map(of_block).max().unwrap_or(0)
            }
        };
        // A block's gradients of activations while they flow, and the ends of the decoder.
        let in_flight = 4 * self.hidden_size + 2 * self.intermediate_size;
        let logits = match step.execution.kernels {
            Kernels::Fused => 2 * self.hidden_size,
            Kernels::Plain => 4 * self.vocab_size,
        };
        let tokens = step.batch * step.length;
        let pass = tokens * (blocks + in_flight + logits) + self.num_parameters();
        4.0 * (3.0 * self.num_parameters() as f64 + (step.at_once * pass) as f64)
    }

    /// Numbers per token that the graph of a block keeps.
    fn activations_per_token(&self, kind: &LayerKind, step: &StepShape) -> usize {
        let width = self.hidden_size;
        let head_dim = self.head_dim_of(kind);
        let queries = self.num_attention_heads * head_dim;
        let keys = self.kv_heads_of(kind) * head_dim;
        // Logits, mask and weights of attention, where they are written out.
        let scores = if step.execution.fused_attention {
            0
        } else {
            4 * self.num_attention_heads * step.length
        };
        match step.execution.kernels {
            // Each operation's inputs: of norms and products, queries, keys, values and output of
            // attention, gate, up and their product.
            Kernels::Fused => {
                let norms = if self.post_norms { 6 } else { 4 } * width;
                let qk_norms = if self.qk_norm { queries + keys } else { 0 };
                norms + 2 * queries + 2 * keys + qk_norms + 3 * self.intermediate_size + scores
            }
            // About 16 residual-wide and 6 feed-forward-wide buffers.
            Kernels::Plain => 16 * width + 6 * self.intermediate_size + scores,
        }
    }
}

/// What the memory of a training step depends on besides the model.
#[derive(Clone, Copy, Debug)]
pub struct StepShape {
    /// Sequences of a forward pass.
    pub batch: usize,
    /// Tokens of a sequence.
    pub length: usize,
    /// Passes at the same time, each with gradients of its own.
    pub at_once: usize,
    /// How a pass is computed.
    pub execution: Execution,
    /// What a pass keeps.
    pub activations: Activations,
}

/// Mean over positions of the keys a causal query sees in a sequence of `length` tokens.
fn mean_visible_keys(length: usize, window: Option<usize>) -> f64 {
    let (n, w) = (length as f64, window.unwrap_or(length).min(length) as f64);
    // Positions below w see 1..=w keys, the rest w.
    (w * (w + 1.0) / 2.0 + (n - w) * w) / n
}

#[cfg(test)]
mod tests {
    use crate::presets::preset;

    use super::*;

    #[test]
    fn known_sizes() {
        // Gemma 2B has 2.51 billion parameters with its 256,128 embeddings.
        let gemma = preset("gemma-2b").expect("preset");
        assert_eq!(gemma.num_parameters(), 2_506_434_560);
        let gpt2 = preset("gpt2-size").expect("preset").num_parameters();
        assert!((123_000_000..125_000_000).contains(&gpt2), "{gpt2}");
        let small = preset("small").expect("preset").num_parameters();
        assert!((9_000_000..11_000_000).contains(&small), "{small}");
    }

    #[test]
    fn visible_keys_by_counting() {
        for (length, window) in [
            (7, None),
            (7, Some(3)),
            (7, Some(100)),
            (1, None),
            (5, Some(1)),
        ] {
            let counted: usize = (0..length)
                .map(|i: usize| (i + 1).min(window.unwrap_or(usize::MAX)))
                .sum();
            let mean = mean_visible_keys(length, window);
            assert!((mean - counted as f64 / length as f64).abs() < 1e-12);
        }
    }

    #[test]
    fn flops_follow_the_formula() {
        let config = preset("gpt2-size").expect("preset");
        let (n, width, layers, t) = (config.num_parameters() as f64, 768.0, 12.0, 1024.0);
        let expected = 6.0 * n + 12.0 * layers * width * (t + 1.0) / 2.0;
        assert!((config.training_flops_per_token(1024) - expected).abs() < 1.0);
    }
}
