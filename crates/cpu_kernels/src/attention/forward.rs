//! Attention with a running softmax.

use pulp::{Arch, Simd, WithSimd};

use super::packed::{Packed, tile};
use super::product::{Factors, GRAIN, Left, ROWS, TILE, product};
use super::scores::Rules;
use super::scratch::Scratch;
use super::{Options, Shape};
use crate::math::exp;
use crate::parallel::map;

/// Queries of a piece of work.
const BLOCK: usize = 32;

/// Causal attention: `out = softmax(logits) @ v`, the logits as [`Options`] says.
///
/// `q` and `out` are `[B, T, H, D]`, `k` and `v` `[B, T, K, D]`. `lse`, `[B, H, T]`, becomes the
/// logarithm of the sum of exponentials of a query's logits, which [`backward`](super::backward()) needs.
///
/// # Panics
/// If a slice has another length, a dimension is 0, K does not divide H, the window is 0, or the
/// soft-cap is not positive.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    shape: Shape,
    options: &Options<'_>,
    out: &mut [f32],
    lse: &mut [f32],
) {
    shape.check(&[q.len(), out.len()], &[k.len(), v.len()], lse.len());
    options.check(shape);
    let keys = Packed::panels(k, shape);
    let values = Packed::rows(v, shape);
    let pass = Pass {
        q,
        keys: &keys,
        values: &values,
        shape,
        rules: &Rules::new(options, shape),
        factor: options.query_factor(),
    };

    let width = shape.heads * shape.head_dim;
    let mut items = Vec::new();
    for (batch, out) in out.chunks_mut(shape.length * width).enumerate() {
        for (block, out) in out.chunks_mut(BLOCK * width).enumerate() {
            items.push((batch, block * BLOCK, out));
        }
    }
    let items = folded(items);
    let sums = map(items, |(batch, start, out)| {
        let sums = Arch::new().dispatch(Block {
            pass: &pass,
            batch,
            start,
            out,
        });
        (batch, start, sums)
    });
    for (batch, start, sums) in sums {
        let rows = sums.len() / shape.heads;
        for (head, sums) in sums.chunks_exact(rows).enumerate() {
            let at = (batch * shape.heads + head) * shape.length + start;
            lse[at..at + rows].copy_from_slice(sums);
        }
    }
}

/// First, last, second, last but one, ...: later blocks see more keys, and threads get runs of items.
pub(super) fn folded<T>(items: Vec<T>) -> Vec<T> {
    let count = items.len();
    let mut items = items.into_iter();
    let next = |i: usize| {
        if i.is_multiple_of(2) {
            items.next()
        } else {
            items.next_back()
        }
    };
    (0..count).filter_map(next).collect()
}

/// What all pieces of work read.
#[derive(Clone, Copy)]
struct Pass<'a> {
    q: &'a [f32],
    keys: &'a Packed,
    values: &'a Packed,
    shape: Shape,
    rules: &'a Rules,
    factor: f32,
}

/// A block of queries with all heads: the whole of its keys, tile by tile.
struct Block<'a> {
    pass: &'a Pass<'a>,
    batch: usize,
    start: usize,
    /// `[rows, H, D]`.
    out: &'a mut [f32],
}

/// Running results of the query heads of one key-value head.
struct State {
    /// `[G, BLOCK / ROWS, padded D, ROWS]`, times the scale.
    queries: Scratch,
    /// `[G, BLOCK, padded D]`: sum of values, weighted by `exp(logit - maximum)`.
    sums: Scratch,
    /// `[G, BLOCK]`: greatest logit so far.
    maxima: Vec<f32>,
    /// `[G, BLOCK]`: sum of `exp(logit - maximum)`.
    totals: Vec<f32>,
    scores: [[f32; TILE]; ROWS],
}

impl WithSimd for Block<'_> {
    /// `[H, rows]`: logarithms of sums of exponentials.
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Vec<f32> {
        let Pass { shape, rules, .. } = *self.pass;
        let (group, dim) = (shape.group(), shape.padded_dim());
        let rows = self.out.len() / (shape.heads * shape.head_dim);
        let mut state = State {
            queries: Scratch::zeros(group * BLOCK * dim),
            sums: Scratch::zeros(group * BLOCK * dim),
            maxima: vec![0.0; group * BLOCK],
            totals: vec![0.0; group * BLOCK],
            scores: [[0.0; TILE]; ROWS],
        };
        let mut lse = Vec::with_capacity(shape.heads * rows);
        let first = rules.first_key(self.start) / tile(shape);
        let last = (self.start + rows - 1) / tile(shape);
        for kv_head in 0..shape.kv_heads {
            self.load(kv_head, rows, &mut state);
            for index in first..=last {
                self.add_tile(simd, kv_head, index, rows, &mut state);
            }
            self.store(kv_head, rows, &state, &mut lse);
        }
        lse
    }
}

impl Block<'_> {
    #[inline(always)]
    fn load(&self, kv_head: usize, rows: usize, state: &mut State) {
        let Pass {
            q, shape, factor, ..
        } = *self.pass;
        let dim = shape.padded_dim();
        state.sums.fill(0.0);
        state.maxima.fill(f32::NEG_INFINITY);
        state.totals.fill(0.0);
        for g in 0..shape.group() {
            for row in 0..rows {
                let token = self.batch * shape.length + self.start + row;
                let head = token * shape.heads + kv_head * shape.group() + g;
                let source = &q[head * shape.head_dim..][..shape.head_dim];
                let out = &mut state.queries[(g * BLOCK + row) / ROWS * ROWS * dim..];
                for (out, x) in out.chunks_exact_mut(ROWS).zip(source) {
                    out[row % ROWS] = factor * x;
                }
            }
        }
    }

    #[inline(always)]
    fn add_tile<S: Simd>(
        &self,
        simd: S,
        kv_head: usize,
        index: usize,
        rows: usize,
        state: &mut State,
    ) {
        let Pass { shape, rules, .. } = *self.pass;
        let (tile, dim) = (tile(shape), shape.padded_dim());
        let keys = self.pass.keys.tile(self.batch, kv_head, index);
        let values = self.pass.values.tile(self.batch, kv_head, index);
        for g in 0..shape.group() {
            for row in (0..rows).step_by(ROWS) {
                let query = self.start + row;
                let columns = rules.columns(query, index * tile, tile);
                if columns.is_empty() {
                    continue;
                }
                let at = g * BLOCK + row;
                let queries = Left::Columns(&state.queries[at * dim..], ROWS);
                let scores = state.scores.as_flattened_mut();
                product(
                    simd,
                    queries,
                    keys,
                    columns.clone(),
                    Factors::Zero,
                    scores,
                    TILE,
                );

                let mut factors = [0.0; ROWS];
                for (r, factor) in factors.iter_mut().enumerate().take(rows - row) {
                    let scores = &mut state.scores[r][columns.clone()];
                    let head = kv_head * shape.group() + g;
                    rules.apply(scores, head, query + r, index * tile + columns.start);
                    let (maximum, total) = (&mut state.maxima[at + r], &mut state.totals[at + r]);
                    *factor = exponentiate(scores, maximum, total);
                }
                let weights = Left::Rows(&state.scores, columns.start);
                let values = values.rows(columns);
                let sums = &mut state.sums[at * dim..];
                product(
                    simd,
                    weights,
                    values,
                    0..dim,
                    Factors::Each(&factors),
                    sums,
                    dim,
                );
            }
        }
    }

    #[inline(always)]
    fn store(&mut self, kv_head: usize, rows: usize, state: &State, lse: &mut Vec<f32>) {
        let shape = self.pass.shape;
        let dim = shape.padded_dim();
        for g in 0..shape.group() {
            for row in 0..rows {
                let at = g * BLOCK + row;
                let head = row * shape.heads + kv_head * shape.group() + g;
                let out = &mut self.out[head * shape.head_dim..][..shape.head_dim];
                let inverse = 1.0 / state.totals[at];
                for (out, x) in out.iter_mut().zip(&state.sums[at * dim..]) {
                    *out = inverse * x;
                }
                lse.push(state.maxima[at] + state.totals[at].ln());
            }
        }
    }
}

/// Replaces logits by `exp(logit - maximum)`, the maximum and total updated. Returns the factor of what
/// was summed under the old maximum.
#[inline(always)]
fn exponentiate(row: &mut [f32], maximum: &mut f32, total: &mut f32) -> f32 {
    let (chunks, _) = row.as_chunks_mut::<GRAIN>();
    let mut greatest = [f32::NEG_INFINITY; GRAIN];
    for chunk in &*chunks {
        for (greatest, &x) in greatest.iter_mut().zip(chunk) {
            *greatest = if x > *greatest { x } else { *greatest };
        }
    }
    let new = maximum.max(reduce(greatest, |a, b| if a > b { a } else { b }));
    if new == f32::NEG_INFINITY {
        row.fill(0.0);
        return 0.0;
    }
    let mut sums = [0.0; GRAIN];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *x = exp(*x - new);
            *sum += *x;
        }
    }
    let factor = exp(*maximum - new);
    *total = *total * factor + reduce(sums, |a, b| a + b);
    *maximum = new;
    factor
}

/// Combines lanes by halves, as vector code does.
#[inline(always)]
fn reduce(mut lanes: [f32; GRAIN], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = GRAIN / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = f(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}
