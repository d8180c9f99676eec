//! Keys and values rearranged for products of tiles, padded with zeros.

use super::Shape;
use super::product::{GRAIN, Right, TILE};
use super::scratch::Scratch;
use crate::parallel::for_each;

/// Keys of a panel of the transposed form.
const PANEL: usize = 2 * GRAIN;

/// How the elements of a tile are arranged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `[tile, padded D]`.
    Rows,
    /// `[tile / PANEL, padded D, PANEL]`.
    Panels,
}

/// `[B, K, tiles]` tiles of keys or values.
pub(super) struct Packed {
    values: Scratch,
    shape: Shape,
    form: Form,
}

impl Packed {
    /// Tiles with a token a row.
    pub fn rows(source: &[f32], shape: Shape) -> Self {
        Self::new(source, shape, Form::Rows)
    }

    /// Tiles with a token a column.
    pub fn panels(source: &[f32], shape: Shape) -> Self {
        Self::new(source, shape, Form::Panels)
    }

    fn new(source: &[f32], shape: Shape, form: Form) -> Self {
        let size = tile(shape) * shape.padded_dim();
        let heads = shape.batch * shape.kv_heads;
        let mut values = Scratch::zeros(heads * tiles(shape) * size);
        let items: Vec<_> = values.chunks_mut(size).enumerate().collect();
        for_each(items, |(index, out)| {
            let (head, first) = (index / tiles(shape), index % tiles(shape) * tile(shape));
            let (batch, head) = (head / shape.kv_heads, head % shape.kv_heads);
            let end = shape.length.min(first + tile(shape));
            let lines = (first..end).map(|token| {
                let start =
                    ((batch * shape.length + token) * shape.kv_heads + head) * shape.head_dim;
                &source[start..start + shape.head_dim]
            });
            match form {
                Form::Rows => fill_rows(lines, shape.padded_dim(), out),
                Form::Panels => fill_panels(lines, shape.padded_dim(), out),
            }
        });
        Self {
            values,
            shape,
            form,
        }
    }

    /// A tile as the right factor of a product.
    pub fn tile(&self, batch: usize, kv_head: usize, index: usize) -> Right<'_> {
        let (tile, dim) = (tile(self.shape), self.shape.padded_dim());
        let index = (batch * self.shape.kv_heads + kv_head) * tiles(self.shape) + index;
        let values = &self.values[index * tile * dim..][..tile * dim];
        let (depth, width) = match self.form {
            Form::Rows => (tile, dim),
            Form::Panels => (dim, PANEL),
        };
        Right {
            values,
            depth,
            width,
        }
    }
}

/// Keys of a tile.
pub(super) fn tile(shape: Shape) -> usize {
    TILE.min(shape.length.next_multiple_of(PANEL))
}

/// Tiles of a sequence.
pub(super) fn tiles(shape: Shape) -> usize {
    shape.length.div_ceil(tile(shape))
}

fn fill_rows<'a>(lines: impl Iterator<Item = &'a [f32]>, dim: usize, out: &mut [f32]) {
    for (line, out) in lines.zip(out.chunks_exact_mut(dim)) {
        out[..line.len()].copy_from_slice(line);
    }
}

fn fill_panels<'a>(lines: impl Iterator<Item = &'a [f32]>, dim: usize, out: &mut [f32]) {
    for (token, line) in lines.enumerate() {
        let panel = &mut out[token / PANEL * dim * PANEL..][..dim * PANEL];
        for (&x, out) in line.iter().zip(panel.chunks_exact_mut(PANEL)) {
            out[token % PANEL] = x;
        }
    }
}
