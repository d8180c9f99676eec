//! Gradients of attention, with probabilities recomputed from `lse`.

use pulp::{Arch, Simd, WithSimd};

use super::forward::folded;
use super::packed::{Packed, tile, tiles};
use super::product::{Factors, Left, ROWS, Right, TILE, product};
use super::scores::Rules;
use super::scratch::Scratch;
use super::{Options, Shape};
use crate::math::{exp, sum};
use crate::parallel::for_each;

/// Queries of a block.
const BLOCK: usize = 64;

/// Partial sums of the gradients of keys and values, at least, if there are as many blocks: with them
/// grow both the threads that can be kept busy and the memory.
const PARTS: usize = 8;

/// Gradients of [`forward`](super::forward()). `out` and `lse` are its results; `grad_out`, `[B, T, H, D]`,
/// is the gradient of `out`.
///
/// Overwrites `grad_q`, `[B, T, H, D]`, and `grad_k` and `grad_v`, `[B, T, K, D]`.
///
/// # Panics
/// As [`forward`](super::forward()).
#[allow(clippy::too_many_arguments)]
pub fn backward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    out: &[f32],
    lse: &[f32],
    grad_out: &[f32],
    shape: Shape,
    options: &Options<'_>,
    grad_q: &mut [f32],
    grad_k: &mut [f32],
    grad_v: &mut [f32],
) {
    let per_query = [q.len(), out.len(), grad_out.len(), grad_q.len()];
    shape.check(
        &per_query,
        &[k.len(), v.len(), grad_k.len(), grad_v.len()],
        lse.len(),
    );
    options.check(shape);
    let pass = Pass {
        q,
        out,
        lse,
        grad_out,
        keys: &Packed::rows(k, shape),
        key_panels: &Packed::panels(k, shape),
        value_panels: &Packed::panels(v, shape),
        shape,
        rules: &Rules::new(options, shape),
        options,
    };

    let blocks = shape.length.div_ceil(BLOCK);
    let parts = PARTS.div_ceil(shape.batch).min(blocks);
    let size = shape.kv_heads * tiles(shape) * tile(shape) * shape.padded_dim();
    let mut partial_k = Scratch::zeros(shape.batch * parts * size);
    let mut partial_v = Scratch::zeros(shape.batch * parts * size);
    let mut items: Vec<_> = partial_k
        .chunks_mut(size)
        .zip(partial_v.chunks_mut(size))
        .enumerate()
        .map(|(index, (grad_k, grad_v))| Part {
            pass: &pass,
            batch: index / parts,
            blocks: Vec::new(),
            grad_k,
            grad_v,
        })
        .collect();
    let width = shape.heads * shape.head_dim;
    for (batch, grad_q) in grad_q.chunks_mut(shape.length * width).enumerate() {
        for (block, grad_q) in grad_q.chunks_mut(BLOCK * width).enumerate() {
            // To and fro, so that parts see about as many keys.
            let (round, step) = (block / parts, block % parts);
            let part = if round.is_multiple_of(2) {
                step
            } else {
                parts - 1 - step
            };
            items[batch * parts + part]
                .blocks
                .push((block * BLOCK, grad_q));
        }
    }
    for_each(folded(items), |part| Arch::new().dispatch(part));

    // The soft-cap's division, which is in the queries, is no factor of this gradient.
    gather(
        &partial_k,
        parts,
        shape,
        options.softcap.unwrap_or(1.0),
        grad_k,
    );
    gather(&partial_v, parts, shape, 1.0, grad_v);
}

/// Adds `[B, parts, K, padded T, padded D]` over the parts into `[B, T, K, D]`, times a factor.
fn gather(partial: &[f32], parts: usize, shape: Shape, factor: f32, out: &mut [f32]) {
    let dim = shape.padded_dim();
    let head_size = tiles(shape) * tile(shape) * dim;
    let width = shape.kv_heads * shape.head_dim;
    let mut items = Vec::new();
    for (batch, out) in out.chunks_mut(shape.length * width).enumerate() {
        for (block, out) in out.chunks_mut(BLOCK * width).enumerate() {
            items.push((batch, block * BLOCK, out));
        }
    }
    for_each(items, |(batch, start, out)| {
        out.fill(0.0);
        for part in 0..parts {
            for (row, out) in out.chunks_exact_mut(shape.head_dim).enumerate() {
                let (token, head) = (start + row / shape.kv_heads, row % shape.kv_heads);
                let head = (batch * parts + part) * shape.kv_heads + head;
                let partial = &partial[head * head_size + token * dim..][..shape.head_dim];
                for (out, x) in out.iter_mut().zip(partial) {
                    *out += factor * x;
                }
            }
        }
    });
}

/// What all parts read.
#[derive(Clone, Copy)]
struct Pass<'a> {
    q: &'a [f32],
    out: &'a [f32],
    lse: &'a [f32],
    grad_out: &'a [f32],
    keys: &'a Packed,
    key_panels: &'a Packed,
    value_panels: &'a Packed,
    shape: Shape,
    rules: &'a Rules,
    options: &'a Options<'a>,
}

/// Some blocks of queries of a sequence, with all heads, and their share of the gradients of keys and
/// values.
struct Part<'a> {
    pass: &'a Pass<'a>,
    batch: usize,
    /// First query and gradient of the queries, `[rows, H, D]`.
    blocks: Vec<(usize, &'a mut [f32])>,
    /// `[K, padded T, padded D]`.
    grad_k: &'a mut [f32],
    /// `[K, padded T, padded D]`.
    grad_v: &'a mut [f32],
}

/// Rows of a block's heads, arranged for either side of a product.
struct Rows {
    /// `[G, BLOCK, padded D]`.
    right: Scratch,
    /// `[G, BLOCK / ROWS, padded D, ROWS]`.
    left: Scratch,
}

impl Rows {
    fn new(shape: Shape) -> Self {
        let size = shape.group() * BLOCK * shape.padded_dim();
        Self {
            right: Scratch::zeros(size),
            left: Scratch::zeros(size),
        }
    }

    fn clear(&mut self) {
        self.right.fill(0.0);
        self.left.fill(0.0);
    }

    /// Sets row `at` of `[G * BLOCK]` to `factor * source`.
    #[inline(always)]
    fn set(&mut self, at: usize, dim: usize, factor: f32, source: &[f32]) {
        let left = &mut self.left[at / ROWS * ROWS * dim..];
        let right = &mut self.right[at * dim..];
        for ((right, left), x) in right
            .iter_mut()
            .zip(left.chunks_exact_mut(ROWS))
            .zip(source)
        {
            *right = factor * x;
            left[at % ROWS] = *right;
        }
    }
}

/// One block's query heads of one key-value head, and what is computed of them.
struct State {
    queries: Rows,
    grad_out: Rows,
    /// `[G, BLOCK, padded D]`.
    grad_q: Scratch,
    /// `[G, BLOCK]`.
    lse: Vec<f32>,
    /// `[G, BLOCK]`: product of a query's output and its gradient.
    delta: Vec<f32>,
    /// Of one head and tile: scores, then probabilities.
    probabilities: Vec<[[f32; TILE]; ROWS]>,
    /// Gradient of the probabilities, then of the scores.
    grad_scores: Vec<[[f32; TILE]; ROWS]>,
    /// Derivative of the soft-cap.
    slopes: [f32; TILE],
}

impl State {
    fn new(shape: Shape) -> Self {
        let (group, dim) = (shape.group(), shape.padded_dim());
        Self {
            queries: Rows::new(shape),
            grad_out: Rows::new(shape),
            grad_q: Scratch::zeros(group * BLOCK * dim),
            lse: vec![0.0; group * BLOCK],
            delta: vec![0.0; group * BLOCK],
            probabilities: vec![[[0.0; TILE]; ROWS]; BLOCK / ROWS],
            grad_scores: vec![[[0.0; TILE]; ROWS]; BLOCK / ROWS],
            slopes: [0.0; TILE],
        }
    }
}

/// A place in the work of a part.
#[derive(Clone, Copy)]
struct Place {
    /// First query of the block.
    start: usize,
    /// Queries of the block.
    rows: usize,
    kv_head: usize,
    /// Query head within its group.
    g: usize,
    /// First key of the tile.
    first_key: usize,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Pass { shape, rules, .. } = *self.pass;
        let tile = tile(shape);
        let mut state = State::new(shape);
        for (start, grad_q) in std::mem::take(&mut self.blocks) {
            let rows = grad_q.len() / (shape.heads * shape.head_dim);
            let mut place = Place {
                start,
                rows,
                kv_head: 0,
                g: 0,
                first_key: 0,
            };
            for kv_head in 0..shape.kv_heads {
                place.kv_head = kv_head;
                self.load(place, &mut state);
                for index in rules.first_key(start) / tile..=(start + rows - 1) / tile {
                    place.first_key = index * tile;
                    for g in 0..shape.group() {
                        place.g = g;
                        self.add_to_queries(simd, place, &mut state);
                        self.add_to_keys(simd, place, &state);
                    }
                }
                self.store(place, &state, grad_q);
            }
        }
    }
}

impl Part<'_> {
    #[inline(always)]
    fn load(&self, place: Place, state: &mut State) {
        let pass = self.pass;
        let shape = pass.shape;
        let (size, dim) = (shape.head_dim, shape.padded_dim());
        let factor = pass.options.query_factor();
        state.grad_q.fill(0.0);
        state.queries.clear();
        state.grad_out.clear();
        for g in 0..shape.group() {
            let head = place.kv_head * shape.group() + g;
            let lse = (self.batch * shape.heads + head) * shape.length + place.start;
            state.lse[g * BLOCK..][..place.rows].copy_from_slice(&pass.lse[lse..][..place.rows]);
            for row in 0..place.rows {
                let token = self.batch * shape.length + place.start + row;
                let source = (token * shape.heads + head) * size;
                let at = g * BLOCK + row;
                let (out, grad) = (
                    &pass.out[source..][..size],
                    &pass.grad_out[source..][..size],
                );
                state
                    .queries
                    .set(at, dim, factor, &pass.q[source..][..size]);
                state.grad_out.set(at, dim, 1.0, grad);
                state.delta[at] = sum(size, |i| out[i] * grad[i]);
            }
        }
    }

    /// Probabilities and gradients of scores of one head in one tile, and from them the queries'
    /// gradient.
    #[inline(always)]
    fn add_to_queries<S: Simd>(&self, simd: S, place: Place, state: &mut State) {
        let Pass { shape, rules, .. } = *self.pass;
        let (tile, dim) = (tile(shape), shape.padded_dim());
        let index = place.first_key / tile;
        let keys = self.pass.keys.tile(self.batch, place.kv_head, index);
        let key_panels = self.pass.key_panels.tile(self.batch, place.kv_head, index);
        let value_panels = self
            .pass
            .value_panels
            .tile(self.batch, place.kv_head, index);
        for row in (0..place.rows).step_by(ROWS) {
            let columns = rules.columns(place.start + row, place.first_key, tile);
            if columns.is_empty() {
                continue;
            }
            let at = place.g * BLOCK + row;
            let probabilities = &mut state.probabilities[row / ROWS];
            let grad_scores = &mut state.grad_scores[row / ROWS];
            for (left, right, out) in [
                (
                    &state.queries.left,
                    key_panels,
                    probabilities.as_flattened_mut(),
                ),
                (
                    &state.grad_out.left,
                    value_panels,
                    grad_scores.as_flattened_mut(),
                ),
            ] {
                let left = Left::Columns(&left[at * dim..], ROWS);
                product(simd, left, right, columns.clone(), Factors::Zero, out, TILE);
            }

            // Rows past the end are zeros already: products with rows of zeros.
            for r in 0..ROWS.min(place.rows - row) {
                let probabilities = &mut probabilities[r][columns.clone()];
                let grad_scores = &mut grad_scores[r][columns.clone()];
                let slopes = &mut state.slopes[..columns.len()];
                let head = place.kv_head * shape.group() + place.g;
                let (query, first_key) = (place.start + row + r, place.first_key + columns.start);
                rules.apply_with_slopes(probabilities, slopes, head, query, first_key);
                let (lse, delta) = (state.lse[at + r], state.delta[at + r]);
                softmax_backward(probabilities, grad_scores, lse, delta);
                if self.pass.options.softcap.is_some() {
                    for (grad, slope) in grad_scores.iter_mut().zip(slopes) {
                        *grad *= *slope;
                    }
                }
            }
            let left = Left::Rows(grad_scores, columns.start);
            let grad_q = &mut state.grad_q[at * dim..];
            product(
                simd,
                left,
                keys.rows(columns),
                0..dim,
                Factors::One,
                grad_q,
                dim,
            );
        }
    }

    /// Adds one head's share to the gradients of a tile of keys and values.
    #[inline(always)]
    fn add_to_keys<S: Simd>(&mut self, simd: S, place: Place, state: &State) {
        let Pass { shape, rules, .. } = *self.pass;
        let (tile, dim) = (tile(shape), shape.padded_dim());
        let kv_head = place.kv_head * tiles(shape) * tile;
        let right = |values| Right {
            values,
            depth: BLOCK,
            width: dim,
        };
        let at = place.g * BLOCK * dim;
        let queries = right(&state.queries.right[at..][..BLOCK * dim]);
        let grad_out = right(&state.grad_out.right[at..][..BLOCK * dim]);
        let end = shape
            .length
            .min(place.start + place.rows)
            .min(place.first_key + tile);
        for key in (place.first_key..end).step_by(ROWS) {
            // Rows of the block, in whole groups, that see any of these keys.
            let first = key.saturating_sub(place.start) / ROWS * ROWS;
            let last = rules.last_query(key + ROWS - 1).saturating_sub(place.start);
            let last = last.min(place.rows).next_multiple_of(ROWS);
            if first >= last {
                continue;
            }
            let from = first * TILE + key - place.first_key;
            let out = (kv_head + key) * dim;
            for (left, right, out) in [
                (&state.grad_scores, queries, &mut self.grad_k[out..]),
                (&state.probabilities, grad_out, &mut self.grad_v[out..]),
            ] {
                let left = Left::Columns(&left.as_flattened().as_flattened()[from..], TILE);
                product(
                    simd,
                    left,
                    right.rows(first..last),
                    0..dim,
                    Factors::One,
                    out,
                    dim,
                );
            }
        }
    }

    #[inline(always)]
    fn store(&self, place: Place, state: &State, grad_q: &mut [f32]) {
        let Pass { shape, options, .. } = *self.pass;
        let dim = shape.padded_dim();
        for g in 0..shape.group() {
            for row in 0..place.rows {
                let head = row * shape.heads + place.kv_head * shape.group() + g;
                let out = &mut grad_q[head * shape.head_dim..][..shape.head_dim];
                for (out, x) in out.iter_mut().zip(&state.grad_q[(g * BLOCK + row) * dim..]) {
                    *out = options.scale * x;
                }
            }
        }
    }
}

/// Makes logits probabilities, and the gradients of probabilities those of logits.
#[inline(always)]
fn softmax_backward(logits: &mut [f32], grads: &mut [f32], lse: f32, delta: f32) {
    for (x, grad) in logits.iter_mut().zip(grads) {
        *x = exp(*x - lse);
        *grad = *x * (*grad - delta);
    }
}
