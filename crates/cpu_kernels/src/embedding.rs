//! Look-up of rows of a table, and the sum of gradients back into them.

use crate::parallel::{for_each, rows_per_block};
use crate::simd::vectorised;

/// Writes `scale * weight[id]` for every id to `out`.
///
/// `weight` is `[V, C]`, `ids` is `[N]`, `out` is `[N, C]`.
///
/// # Panics
/// If an id is negative or not less than `V`, or lengths disagree.
pub fn forward(weight: &[f32], ids: &[i32], scale: f32, out: &mut [f32]) {
    let Some(width) = row_width(weight.len(), ids, out.len()) else {
        return;
    };
    let rows = rows_per_block(width);
    let blocks = ids.chunks(rows).zip(out.chunks_mut(rows * width)).collect();
    for_each(blocks, |(ids, out)| {
        vectorised(
            #[inline(always)]
            || {
                for (&id, out) in ids.iter().zip(out.chunks_exact_mut(width)) {
                    let row = &weight[id as usize * width..][..width];
                    for (out, weight) in out.iter_mut().zip(row) {
                        *out = scale * weight;
                    }
                }
            },
        );
    });
}

/// Adds `scale * grad_out[n]` to `grad_weight[ids[n]]`, for every `n` and in their order.
///
/// `ids` is `[N]`, `grad_out` is `[N, C]`, `grad_weight` is `[V, C]`.
///
/// # Panics
/// If an id is negative or not less than `V`, or lengths disagree.
pub fn grad_weight(ids: &[i32], grad_out: &[f32], scale: f32, grad_weight: &mut [f32]) {
    let Some(width) = row_width(grad_weight.len(), ids, grad_out.len()) else {
        return;
    };
    let occurrences = Occurrences::new(ids, grad_weight.len() / width);
    // Rows of the table are shared out, not tokens: no two threads add to the same row.
    let rows = rows_per_block(width);
    let blocks = grad_weight.chunks_mut(rows * width).enumerate().collect();
    for_each(blocks, |(block, grad_weight): (usize, &mut [f32])| {
        vectorised(
            #[inline(always)]
            || {
                for (i, sum) in grad_weight.chunks_exact_mut(width).enumerate() {
                    for &token in occurrences.of(block * rows + i) {
                        let gradient = &grad_out[token as usize * width..][..width];
                        for (sum, gradient) in sum.iter_mut().zip(gradient) {
                            *sum += scale * gradient;
                        }
                    }
                }
            },
        );
    });
}

/// Where every id occurs.
struct Occurrences {
    /// Positions in `ids`, those of id 0 first, in ascending order for every id.
    tokens: Vec<u32>,
    /// Where the positions of an id begin, `[V + 1]`.
    starts: Vec<u32>,
}

impl Occurrences {
    /// A counting sort.
    fn new(ids: &[i32], vocabulary: usize) -> Self {
        let mut starts = vec![0u32; vocabulary + 1];
        for &id in ids {
            starts[id as usize + 1] += 1;
        }
        for id in 0..vocabulary {
            starts[id + 1] += starts[id];
        }
        let mut next = starts.clone();
        let mut tokens = vec![0u32; ids.len()];
        for (token, &id) in ids.iter().enumerate() {
            let place = &mut next[id as usize];
            tokens[*place as usize] = token as u32;
            *place += 1;
        }
        Self { tokens, starts }
    }

    #[inline(always)]
    fn of(&self, id: usize) -> &[u32] {
        &self.tokens[self.starts[id] as usize..self.starts[id + 1] as usize]
    }
}

/// `C`, or `None` where there is nothing to do; checks lengths and ids.
fn row_width(weights: usize, ids: &[i32], elements: usize) -> Option<usize> {
    if ids.is_empty() || elements == 0 {
        assert_eq!(elements, 0, "elements, but no ids");
        return None;
    }
    assert_eq!(
        elements % ids.len(),
        0,
        "{elements} elements are not {} rows",
        ids.len()
    );
    let width = elements / ids.len();
    assert_eq!(
        weights % width,
        0,
        "{weights} weights are not rows of {width}"
    );
    let vocabulary = weights / width;
    for &id in ids {
        assert!(
            usize::try_from(id).is_ok_and(|id| id < vocabulary),
            "id {id} is not in a vocabulary of {vocabulary}"
        );
    }
    Some(width)
}
