//! From products of queries and keys to logits: soft-cap, bias, mask.

use std::ops::Range;

use super::product::{GRAIN, ROWS};
use super::{Options, Shape};
use crate::math::tanh;

/// The rules for scores, ready for rows of tiles.
pub(super) struct Rules {
    softcap: Option<f32>,
    window: usize,
    length: usize,
    /// `[H, length + 2 * GRAIN]`: the bias by descending distance, so that a row of keys reads forwards.
    bias: Option<Vec<f32>>,
}

impl Rules {
    pub fn new(options: &Options<'_>, shape: Shape) -> Self {
        let bias = options.bias.map(|bias| {
            let reversed = |row: &[f32]| {
                let padding = [0.0; 2 * GRAIN];
                row.iter().rev().copied().chain(padding).collect::<Vec<_>>()
            };
            bias.chunks_exact(shape.length).flat_map(reversed).collect()
        });
        Self {
            softcap: options.softcap,
            window: options.window.unwrap_or(shape.length),
            length: shape.length,
            bias,
        }
    }

    /// The first key that a query sees.
    #[inline(always)]
    pub fn first_key(&self, query: usize) -> usize {
        (query + 1).saturating_sub(self.window)
    }

    /// The query after the last that sees a key; past the end of the sequence for late keys.
    #[inline(always)]
    pub fn last_query(&self, key: usize) -> usize {
        key.saturating_add(self.window)
    }

    /// Columns of the tile of keys from `first_key` that any of [`ROWS`] queries from `query` sees,
    /// widened to what [`product`](super::product::product) takes.
    #[inline(always)]
    pub fn columns(&self, query: usize, first_key: usize, tile: usize) -> Range<usize> {
        let first = self.first_key(query).saturating_sub(first_key);
        let end = self
            .length
            .min(query + ROWS)
            .saturating_sub(first_key)
            .min(tile);
        if first >= end {
            return 0..0;
        }
        first / (2 * GRAIN) * (2 * GRAIN)..end.next_multiple_of(GRAIN)
    }

    /// Makes scores logits. `row` is one query's, from key `first_key` on; hidden keys get -inf.
    #[inline(always)]
    pub fn apply(&self, row: &mut [f32], head: usize, query: usize, first_key: usize) {
        if let Some(cap) = self.softcap {
            for x in &mut *row {
                *x = cap * tanh(*x);
            }
        }
        self.shift_and_mask(row, head, query, first_key);
    }

    /// [`apply`](Self::apply), which also writes the soft-cap's derivative, if there is one.
    #[inline(always)]
    pub fn apply_with_slopes(
        &self,
        row: &mut [f32],
        slopes: &mut [f32],
        head: usize,
        query: usize,
        first_key: usize,
    ) {
        if let Some(cap) = self.softcap {
            for (x, slope) in row.iter_mut().zip(slopes) {
                let t = tanh(*x);
                *x = cap * t;
                *slope = 1.0 - t * t;
            }
        }
        self.shift_and_mask(row, head, query, first_key);
    }

    #[inline(always)]
    fn shift_and_mask(&self, row: &mut [f32], head: usize, query: usize, first_key: usize) {
        if let Some(bias) = &self.bias {
            let start = head * (self.length + 2 * GRAIN) + self.length - 1 + first_key - query;
            for (x, bias) in row.iter_mut().zip(&bias[start..]) {
                *x += bias;
            }
        }
        let hidden = self
            .first_key(query)
            .saturating_sub(first_key)
            .min(row.len());
        row[..hidden].fill(f32::NEG_INFINITY);
        let seen = (query + 1).saturating_sub(first_key).min(row.len());
        row[seen..].fill(f32::NEG_INFINITY);
    }
}
