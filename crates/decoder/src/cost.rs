//! Parameters, floating-point operations and memory, counted from the shape alone.

use crate::config::{DecoderConfig, LayerKind};

impl DecoderConfig {
    /// Trained numbers, the tied embedding counted once.
    pub fn num_parameters(&self) -> usize {
        let blocks: usize = (0..self.num_hidden_layers)
            .map(|layer| self.block_parameters(self.layer(layer).1))
            .sum();
        self.vocab_size * self.hidden_size + blocks + self.hidden_size
    }

    fn block_parameters(&self, kind: &LayerKind) -> usize {
        let (d, head_dim) = (self.hidden_size, self.head_dim_of(kind));
        let norms = if self.post_norms { 4 } else { 2 } * d;
        let qk_norms = if self.qk_norm { 2 * head_dim } else { 0 };
        self.attention_weights(kind) + 3 * d * self.intermediate_size + norms + qk_norms
    }

    fn attention_weights(&self, kind: &LayerKind) -> usize {
        let query = self.num_attention_heads * self.head_dim_of(kind);
        let key = self.kv_heads_of(kind) * self.head_dim_of(kind);
        let key_value = if kind.keys_are_values { key } else { 2 * key };
        self.hidden_size * (2 * query + key_value)
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
        6.0 * norms_and_matrices + attention
    }

    /// A rough peak of training memory in bytes: weights, gradients and two moments in f32 plus the
    /// activations that the backward pass keeps for `tokens` tokens in sequences of `length`.
    ///
    /// Counts the buffers of the plain path: about 16 residual-wide and 6 feed-forward-wide
    /// buffers a layer, 4 buffers of scores, 4 of logits. An estimate within a factor of two, for
    /// planning; the allocator and the backend have the last word.
    pub fn training_bytes(&self, tokens: usize, length: usize) -> f64 {
        let states = 4.0 * self.num_parameters() as f64;
        let scores_per_token = self.num_attention_heads * length;
        let per_layer = 16 * self.hidden_size + 6 * self.intermediate_size + 4 * scores_per_token;
        let per_token = self.num_hidden_layers * per_layer + 4 * self.vocab_size;
        4.0 * (states + tokens as f64 * per_token as f64)
    }
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
