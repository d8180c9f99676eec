//! Logits of one head under an encoding.

use positional::PositionalEncoding;

/// A query at its position, ready to meet keys.
#[derive(Debug)]
pub struct Query<'a> {
    encoding: &'a dyn PositionalEncoding,
    head: usize,
    position: usize,
    vector: Vec<f64>,
}

impl<'a> Query<'a> {
    /// The query `vector`, `[head_dim]`, of `head`, rotated and scaled as at `position`.
    ///
    /// # Panics
    /// When `vector` does not have the encoding's `head_dim` coordinates.
    pub fn new(
        encoding: &'a dyn PositionalEncoding,
        head: usize,
        vector: &[f64],
        position: usize,
    ) -> Self {
        let scale = encoding.logit_scale(position);
        let mut vector = rotated(encoding, vector, position);
        for x in &mut vector {
            *x *= scale;
        }
        Self {
            encoding,
            head,
            position,
            vector,
        }
    }

    /// The product of query and `key`, `[head_dim]`, which stands `distance` tokens before the query: rotation
    /// and logit scale, without the softmax scale and without a bias.
    ///
    /// # Panics
    /// When `distance` is beyond the first token, or `key` has another length than the query.
    pub fn product(&self, key: &[f64], distance: usize) -> f64 {
        assert!(
            distance <= self.position,
            "the key is before the first token"
        );
        let key = rotated(self.encoding, key, self.position - distance);
        dot(&self.vector, &key)
    }

    /// The logit: the product over √`head_dim`, and the bias.
    ///
    /// # Panics
    /// As [`Query::product`].
    pub fn logit(&self, key: &[f64], distance: usize) -> f64 {
        let product = self.product(key, distance) / (self.vector.len() as f64).sqrt();
        product + self.encoding.bias(self.head, distance).unwrap_or(0.0)
    }
}

fn rotated(encoding: &dyn PositionalEncoding, vector: &[f64], position: usize) -> Vec<f64> {
    match encoding.spectrum() {
        Some(spectrum) => spectrum.rotate(vector, position),
        None => vector.to_vec(),
    }
}

/// `a · b`.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Attention weights of these logits.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|l| (l - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}
