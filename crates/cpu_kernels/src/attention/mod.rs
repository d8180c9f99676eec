//! Causal self-attention in tiles, forward and backward.
//!
//! Scores exist only for 8 queries (forward) or one block of queries (backward) against one tile of
//! keys, so memory is linear in T. Tiles that no query of a block sees are never touched, and only rows
//! that cross the diagonal or the border of the window are masked.
//!
//! A piece of parallel work is a block of queries with all their heads, which is contiguous in the
//! output. In the backward pass several blocks share one partial sum of the gradients of keys and
//! values; how many does not depend on the number of threads.

mod backward;
mod forward;
mod packed;
mod product;
mod scores;
mod scratch;

pub use backward::backward;
pub use forward::forward;

/// Sizes of one attention layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Sequences, B.
    pub batch: usize,
    /// Tokens a sequence, T.
    pub length: usize,
    /// Query heads, H.
    pub heads: usize,
    /// Key-value heads, K. Each serves H / K consecutive query heads.
    pub kv_heads: usize,
    /// Elements of a head, D.
    pub head_dim: usize,
}

impl Shape {
    /// Query heads that share a key-value head, G.
    fn group(self) -> usize {
        self.heads / self.kv_heads
    }

    /// D rounded up to whole vectors.
    fn padded_dim(self) -> usize {
        self.head_dim.next_multiple_of(product::GRAIN)
    }

    /// Panics unless the sizes make sense and the slices have them.
    fn check(self, per_query: &[usize], per_key: &[usize], lse: usize) {
        let Self {
            batch,
            length,
            heads,
            kv_heads,
            head_dim,
        } = self;
        let sizes = [batch, length, heads, kv_heads, head_dim];
        assert!(!sizes.contains(&0), "an empty dimension in {self:?}");
        assert!(
            heads.is_multiple_of(kv_heads),
            "key-value heads must divide heads in {self:?}"
        );
        let (queries, keys) = (batch * length * heads, batch * length * kv_heads);
        assert!(
            per_query.iter().all(|&n| n == queries * head_dim),
            "[B, T, H, D] of {self:?}"
        );
        assert!(
            per_key.iter().all(|&n| n == keys * head_dim),
            "[B, T, K, D] of {self:?}"
        );
        assert_eq!(lse, queries, "[B, H, T] of {self:?}");
    }
}

/// What happens to scores between the product of queries and keys and the softmax.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Factor of the product of a query and a key.
    pub scale: f32,
    /// Soft-cap c: a scaled score s becomes `c * tanh(s / c)`.
    pub softcap: Option<f32>,
    /// Keys that a query sees, itself included. `None`: all earlier ones.
    pub window: Option<usize>,
    /// `[H, T]`: added after the soft-cap, by head and by distance of the query from the key. A
    /// constant: it gets no gradient.
    pub bias: Option<&'a [f32]>,
}

impl Options<'_> {
    /// Panics unless the options suit the shape.
    fn check(&self, shape: Shape) {
        assert!(self.window != Some(0), "a window of no keys");
        assert!(
            self.softcap.is_none_or(|cap| cap > 0.0),
            "a soft-cap must be positive"
        );
        let bias = shape.heads * shape.length;
        assert!(
            self.bias.is_none_or(|b| b.len() == bias),
            "[H, T] bias of {shape:?}"
        );
    }

    /// What queries are multiplied by before their product with keys: the soft-cap's division is in it.
    fn query_factor(&self) -> f32 {
        self.softcap.map_or(self.scale, |cap| self.scale / cap)
    }
}
