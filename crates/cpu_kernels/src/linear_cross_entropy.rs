//! Cross-entropy of a linear layer's logits, `-log softmax(hidden @ weight^T)[target]`, which are never
//! all in memory.
//!
//! Logits come in tiles of 64 tokens, transposed: a row for every word of the vocabulary, a column for
//! every token. So maxima and sums over the vocabulary are sums of rows, and nothing is summed across a
//! vector register.

use crate::math::{exp, tanh};
use crate::matrix::{Into, View, ViewMut, multiply};
use crate::parallel::{for_each, with_scratch};
use crate::simd::vectorised;

/// Tokens of a tile.
const TOKENS: usize = 64;
/// Words whose logits are computed, and used, at once: 64 of a tile's tokens take 256 kB.
const WORDS: usize = 1024;
/// Words whose exponentials are summed before the sum is added to the others': one long sum in single
/// precision would be 1e-5 off in a large vocabulary.
const SUMMED: usize = 32;
/// Words whose weight gradients one piece of work sums.
const WEIGHT_WORDS: usize = 512;
/// Elements of logits kept at once, at most (but for a single tile): 32 MB.
const KEPT: usize = 1 << 23;
/// Tiles of logits kept at once, at most.
const TILES: usize = 16;

/// Writes every token's `-log softmax(logits)[target]`, in nats, to `out`, with logits
/// `hidden @ weight^T`, or `c * tanh(logits / c)` with a soft-cap `c`.
///
/// `hidden` is `[N, C]`, `weight` is `[V, C]`, `targets` and `out` are `[N]`.
///
/// # Panics
/// If a target is negative or not less than `V`, or lengths disagree.
pub fn losses(
    hidden: &[f32],
    weight: &[f32],
    targets: &[i32],
    softcap: Option<f32>,
    out: &mut [f32],
) {
    assert_eq!(targets.len(), out.len(), "targets and out");
    let Some(head) = Head::new(hidden, weight, targets, softcap) else {
        return;
    };
    let tiles = hidden
        .chunks(TOKENS * head.width)
        .zip(targets.chunks(TOKENS));
    for_each(
        tiles.zip(out.chunks_mut(TOKENS)).collect(),
        |((hidden, targets), out)| {
            let tile = Tile { hidden, targets };
            with_scratch(WORDS.min(head.words) * targets.len(), |logits| {
                let mut softmax = Softmax::new(targets.len());
                for words in head.pieces() {
                    let logits = &mut logits[..words.len() * targets.len()];
                    head.logits(&tile, words.clone(), logits);
                    softmax.add(logits);
                    tile.pick(words, logits, &mut softmax.at_target);
                }
                softmax.losses(out);
            });
        },
    );
}

/// [`losses`], and the gradients of `scale` times their sum.
///
/// `hidden` and `grad_hidden` are `[N, C]`, `weight` and `grad_weight` are `[V, C]`, `targets` and
/// `out_losses` are `[N]`. Losses (which `scale` does not multiply) and gradients are overwritten.
///
/// # Panics
/// If a target is negative or not less than `V`, or lengths disagree.
#[expect(
    clippy::too_many_arguments,
    reason = "three inputs, three outputs and two numbers"
)]
pub fn losses_and_gradients(
    hidden: &[f32],
    weight: &[f32],
    targets: &[i32],
    softcap: Option<f32>,
    scale: f32,
    out_losses: &mut [f32],
    grad_hidden: &mut [f32],
    grad_weight: &mut [f32],
) {
    assert_eq!(targets.len(), out_losses.len(), "targets and losses");
    assert_eq!(hidden.len(), grad_hidden.len(), "hidden and its gradient");
    assert_eq!(weight.len(), grad_weight.len(), "weight and its gradient");
    let Some(head) = Head::new(hidden, weight, targets, softcap) else {
        grad_weight.fill(0.0);
        return;
    };
    // Two phases for a chunk of tiles: tiles are shared out first, then words. No thread adds to
    // another's sums, so that their order does not depend on threads.
    let tokens = head.tokens_at_once(targets.len());
    let chunks = hidden
        .chunks(tokens * head.width)
        .zip(targets.chunks(tokens));
    let outputs = out_losses
        .chunks_mut(tokens)
        .zip(grad_hidden.chunks_mut(tokens * head.width));
    with_scratch(tokens * head.words, |logits| {
        for (index, ((hidden, targets), (losses, grad_hidden))) in chunks.zip(outputs).enumerate() {
            let logits = &mut logits[..targets.len() * head.words];
            let into = if index == 0 { Into::Fresh } else { Into::Sum };
            let inputs = hidden
                .chunks(TOKENS * head.width)
                .zip(targets.chunks(TOKENS));
            let outputs = losses
                .chunks_mut(TOKENS)
                .zip(grad_hidden.chunks_mut(TOKENS * head.width));
            let tiles = inputs
                .zip(outputs)
                .zip(logits.chunks_mut(TOKENS * head.words));
            for_each(
                tiles.collect(),
                |(((hidden, targets), (losses, grad_hidden)), logits)| {
                    let tile = Tile { hidden, targets };
                    head.backward(&tile, scale, logits, losses, grad_hidden);
                },
            );
            head.add_grad_weight(hidden, logits, grad_weight, into);
        }
    });
}

/// The linear layer.
struct Head<'a> {
    /// `[V, C]`
    weight: &'a [f32],
    softcap: Option<f32>,
    words: usize,
    width: usize,
}

/// Tokens whose logits are a matrix of `words` rows and one column a token.
struct Tile<'a> {
    /// `[tokens, C]`
    hidden: &'a [f32],
    targets: &'a [i32],
}

impl<'a> Head<'a> {
    /// Checks lengths and targets; `None` without tokens.
    fn new(
        hidden: &[f32],
        weight: &'a [f32],
        targets: &[i32],
        softcap: Option<f32>,
    ) -> Option<Self> {
        if targets.is_empty() {
            assert_eq!(hidden.len(), 0, "hidden states, but no targets");
            return None;
        }
        let width = hidden.len() / targets.len();
        assert_eq!(hidden.len(), width * targets.len(), "hidden and targets");
        assert!(
            width > 0 && weight.len().is_multiple_of(width),
            "weight and width {width}"
        );
        let words = weight.len() / width;
        for &target in targets {
            assert!(
                usize::try_from(target).is_ok_and(|target| target < words),
                "target {target} is not in a vocabulary of {words}"
            );
        }
        Some(Self {
            weight,
            softcap,
            words,
            width,
        })
    }

    /// Ranges of words that are computed at once.
    fn pieces(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let words = self.words;
        (0..words)
            .step_by(WORDS)
            .map(move |start| start..words.min(start + WORDS))
    }

    /// Tokens of a chunk: whole tiles, of which a chunk has the same number as the next, if it can.
    fn tokens_at_once(&self, tokens: usize) -> usize {
        let most = (KEPT / (TOKENS * self.words)).clamp(1, TILES);
        let tiles = tokens.div_ceil(TOKENS);
        let chunks = tiles.div_ceil(most);
        (tiles.div_ceil(chunks) * TOKENS).min(tokens)
    }

    fn rows(&self, words: std::ops::Range<usize>) -> View<'_> {
        let rows = &self.weight[words.start * self.width..words.end * self.width];
        View::new(rows, words.len(), self.width, self.width)
    }

    /// Writes the tile's logits of some words, `[words, tokens]`, soft-capped.
    fn logits(&self, tile: &Tile<'_>, words: std::ops::Range<usize>, logits: &mut [f32]) {
        let tokens = tile.targets.len();
        let hidden = View::new(tile.hidden, tokens, self.width, self.width);
        let out = ViewMut::new(logits, words.len(), tokens, tokens);
        multiply(self.rows(words), hidden.transposed(), out, Into::Fresh);
        if let Some(cap) = self.softcap {
            vectorised(
                #[inline(always)]
                || {
                    for logit in logits.iter_mut() {
                        *logit = cap * tanh(*logit / cap);
                    }
                },
            );
        }
    }

    /// A tile's losses and gradients of hidden states; leaves the gradients of its logits (before the
    /// soft-cap) in `logits`, `[V, tokens]`.
    fn backward(
        &self,
        tile: &Tile<'_>,
        scale: f32,
        logits: &mut [f32],
        losses: &mut [f32],
        grad_hidden: &mut [f32],
    ) {
        let tokens = tile.targets.len();
        let mut softmax = Softmax::new(tokens);
        for words in self.pieces() {
            let logits = &mut logits[words.start * tokens..words.end * tokens];
            self.logits(tile, words.clone(), logits);
            softmax.add(logits);
            tile.pick(words, logits, &mut softmax.at_target);
        }
        softmax.losses(losses);
        for words in self.pieces() {
            let gradients = &mut logits[words.start * tokens..words.end * tokens];
            softmax.to_gradients(scale, self.softcap, gradients);
            tile.subtract_targets(&words, &softmax.at_target, scale, self.softcap, gradients);
            let gradients = View::new(gradients, words.len(), tokens, tokens);
            let out = ViewMut::new(grad_hidden, tokens, self.width, self.width);
            let into = if words.start == 0 {
                Into::Fresh
            } else {
                Into::Sum
            };
            multiply(gradients.transposed(), self.rows(words), out, into);
        }
    }

    /// Adds the products of a chunk's logit gradients and hidden states to `grad_weight`, `[V, C]`.
    fn add_grad_weight(
        &self,
        hidden: &[f32],
        gradients: &[f32],
        grad_weight: &mut [f32],
        into: Into,
    ) {
        let blocks = grad_weight
            .chunks_mut(WEIGHT_WORDS * self.width)
            .enumerate()
            .collect();
        for_each(blocks, |(block, grad_weight): (usize, &mut [f32])| {
            let words = grad_weight.len() / self.width;
            let tiles = hidden.chunks(TOKENS * self.width);
            let tiles = tiles.zip(gradients.chunks(TOKENS * self.words)).enumerate();
            for (index, (hidden, gradients)) in tiles {
                let tokens = hidden.len() / self.width;
                let gradients = &gradients[block * WEIGHT_WORDS * tokens..];
                let gradients = View::new(gradients, words, tokens, tokens);
                let hidden = View::new(hidden, tokens, self.width, self.width);
                let out = ViewMut::new(grad_weight, words, self.width, self.width);
                let into = if index == 0 { into } else { Into::Sum };
                multiply(gradients, hidden, out, into);
            }
        });
    }
}

impl Tile<'_> {
    /// Takes the targets among `words` out of their logits.
    fn pick(&self, words: std::ops::Range<usize>, logits: &[f32], at_target: &mut [f32]) {
        let tokens = self.targets.len();
        for (token, &target) in self.targets.iter().enumerate() {
            if words.contains(&(target as usize)) {
                at_target[token] = logits[(target as usize - words.start) * tokens + token];
            }
        }
    }

    /// Subtracts the gradient of the target's logit itself, where it is among `words`.
    fn subtract_targets(
        &self,
        words: &std::ops::Range<usize>,
        at_target: &[f32],
        scale: f32,
        softcap: Option<f32>,
        gradients: &mut [f32],
    ) {
        let tokens = self.targets.len();
        for (token, &target) in self.targets.iter().enumerate() {
            if words.contains(&(target as usize)) {
                let slope = softcap.map_or(1.0, |cap| cap_slope(at_target[token], cap));
                gradients[(target as usize - words.start) * tokens + token] -= scale * slope;
            }
        }
    }
}

/// Running softmax of a tile, `[tokens]` each.
struct Softmax {
    /// Largest logit so far.
    max: Vec<f32>,
    /// Sum of `e^(logit - max)` so far.
    sum: Vec<f32>,
    /// The target's logit.
    at_target: Vec<f32>,
    /// Scratch.
    previous: Vec<f32>,
}

impl Softmax {
    fn new(tokens: usize) -> Self {
        Self {
            max: vec![f32::NEG_INFINITY; tokens],
            sum: vec![0.0; tokens],
            at_target: vec![0.0; tokens],
            previous: vec![0.0; tokens],
        }
    }

    /// Takes in the logits of more words, `[words, tokens]`.
    fn add(&mut self, logits: &[f32]) {
        let tokens = self.max.len();
        self.previous.copy_from_slice(&self.max);
        vectorised(
            #[inline(always)]
            || {
                for logits in logits.chunks_exact(tokens) {
                    for (max, &logit) in self.max.iter_mut().zip(logits) {
                        *max = max.max(logit);
                    }
                }
                let maxima = self.previous.iter().zip(&self.max);
                for (sum, (&previous, &max)) in self.sum.iter_mut().zip(maxima) {
                    *sum *= exp(previous - max);
                }
                for logits in logits.chunks(SUMMED * tokens) {
                    let partial = &mut self.previous;
                    partial.fill(0.0);
                    for logits in logits.chunks_exact(tokens) {
                        let logits = logits.iter().zip(&self.max);
                        for (partial, (&logit, &max)) in partial.iter_mut().zip(logits) {
                            *partial += exp(logit - max);
                        }
                    }
                    for (sum, partial) in self.sum.iter_mut().zip(partial) {
                        *sum += *partial;
                    }
                }
            },
        );
    }

    /// `log(sum of e^logit) - target's logit`, the large numbers subtracted first.
    fn losses(&self, out: &mut [f32]) {
        let logits = self.max.iter().zip(&self.at_target);
        for ((out, (max, at_target)), sum) in out.iter_mut().zip(logits).zip(&self.sum) {
            *out = (max - at_target) + sum.ln();
        }
    }

    /// Turns capped logits, `[words, tokens]`, into `scale` times their probabilities, times the
    /// soft-cap's slope.
    fn to_gradients(&self, scale: f32, softcap: Option<f32>, logits: &mut [f32]) {
        let tokens = self.max.len();
        let factors: Vec<f32> = self.sum.iter().map(|sum| scale / sum).collect();
        vectorised(
            #[inline(always)]
            || {
                for logits in logits.chunks_exact_mut(tokens) {
                    let tokens = logits.iter_mut().zip(&self.max).zip(&factors);
                    if let Some(cap) = softcap {
                        for ((logit, &max), &factor) in tokens {
                            *logit = exp(*logit - max) * factor * cap_slope(*logit, cap);
                        }
                    } else {
                        for ((logit, &max), &factor) in tokens {
                            *logit = exp(*logit - max) * factor;
                        }
                    }
                }
            },
        );
    }
}

/// Derivative of `c * tanh(x / c)` where its value is `capped`.
#[inline(always)]
fn cap_slope(capped: f32, cap: f32) -> f32 {
    let tanh = capped / cap;
    1.0 - tanh * tanh
}
