//! Cross-entropy of logits, `-log softmax(logits)[target]`, and its gradient by them in their place.
//!
//! Logits of a chunk of tokens at a time, `[Q, V]`: those of all tokens need not be in memory at once.

use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::launch::{allocate, argument, cube_dim, cubes, single, units, vector_size};
use crate::reduce::{max_lanes, max_units, sum_lanes, sum_units};

/// Below all logits, and finite: shader compilers may assume that there are no infinities.
const LOWEST: f32 = -1e30;
/// Where the hyperbolic tangent has long reached 1; some devices compute it from exponentials that
/// overflow beyond.
const SATURATED: f32 = 15.0;

/// A chunk of logits, and the right answers.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rows of the chunk, Q.
    pub rows: usize,
    /// Logits of a row, V.
    pub vocabulary: usize,
    /// Type of the targets, an integer.
    pub targets: ElemType,
}

/// Every row's `-log softmax(logits)[target]` in nats, `[Q]`, with logits `c * tanh(logits / c)` where
/// there is a soft-cap `c`.
///
/// `logits` is `[Q, V]` and, like what is returned, in `f32`; `targets` is `[Q]`. Logits are finite and
/// greater than -1e30. The logit of a target that is not in `0..V` counts as 0.
///
/// # Panics
/// If a buffer is too short.
pub fn losses(
    client: &Client,
    logits: &Handle,
    targets: &Handle,
    softcap: Option<f32>,
    shape: Shape,
) -> Handle {
    launch(client, logits, targets, softcap, None, shape)
}

/// [`losses`], and the gradients of `scale` times their sum, which take the place of `logits` (the
/// gradients by what was there, before the soft-cap).
///
/// Arguments as of [`losses`]; `scale` does not multiply what is returned.
///
/// # Panics
/// If a buffer is too short.
pub fn losses_and_gradients(
    client: &Client,
    logits: &Handle,
    targets: &Handle,
    softcap: Option<f32>,
    scale: f32,
    shape: Shape,
) -> Handle {
    launch(client, logits, targets, softcap, Some(scale), shape)
}

fn launch(
    client: &Client,
    logits: &Handle,
    targets: &Handle,
    softcap: Option<f32>,
    scale: Option<f32>,
    shape: Shape,
) -> Handle {
    let Shape {
        rows,
        vocabulary,
        targets: target_type,
    } = shape;
    let losses = allocate(client, rows, single());
    let vector_size = vector_size(vocabulary);
    let units = units(client, vocabulary / vector_size);
    // SAFETY: cubes beyond the rows do nothing, units stay within their row.
    unsafe {
        cross_entropy_kernel::launch_unchecked(
            client,
            cubes(client, rows),
            cube_dim(units),
            vector_size,
            argument("logits", logits, rows * vocabulary, single()),
            argument("targets", targets, rows, target_type),
            argument("losses", &losses, rows, single()),
            rows,
            vocabulary / vector_size,
            softcap.unwrap_or(1.0),
            scale.unwrap_or(0.0),
            units,
            softcap.is_some(),
            scale.is_some(),
            target_type,
        );
    }
    losses
}

/// `tanh(logits / cap)`
#[cube]
fn squashed<N: Size>(logits: Vector<f32, N>, cap: f32) -> Vector<f32, N> {
    let ratio = logits / Vector::new(cap);
    clamp(ratio, Vector::new(-SATURATED), Vector::new(SATURATED)).tanh()
}

/// Logits after the soft-cap, if there is one.
#[cube]
fn capped<N: Size>(logits: Vector<f32, N>, cap: f32, #[comptime] has_cap: bool) -> Vector<f32, N> {
    if comptime!(has_cap) {
        squashed::<N>(logits, cap) * Vector::new(cap)
    } else {
        logits
    }
}

/// A cube a row; `width` is V in vectors.
#[cube(launch_unchecked)]
fn cross_entropy_kernel<I: Int, N: Size>(
    logits: &mut [Vector<f32, N>],
    targets: &[I],
    losses: &mut [f32],
    rows: usize,
    width: usize,
    cap: f32,
    scale: f32,
    #[comptime] units: usize,
    #[comptime] has_cap: bool,
    #[comptime] has_gradient: bool,
    #[define(I)] _dtype: ElemType,
) {
    let row = CUBE_POS;
    if row < rows {
        let mut scratch = Shared::<[Vector<f32, N>]>::new_slice(units);
        let start = row * width;
        // A negative target is a large one.
        let target = u32::cast_from(targets[row]) as usize;
        let target_place = target / N::value();
        let target_lane = target % N::value();

        // Every lane its own maximum so far, and sum of e^(logit - maximum).
        let mut largest = Vector::<f32, N>::new(LOWEST);
        let mut sum = Vector::<f32, N>::new(0.0);
        let mut i = UNIT_POS as usize;
        while i < width {
            let logit = capped::<N>(logits[start + i], cap, has_cap);
            let previous = largest;
            largest = max(previous, logit);
            sum = sum * (previous - largest).exp() + (logit - largest).exp();
            i += units;
        }
        let row_largest = max_lanes::<N>(max_units::<N>(largest, &mut scratch));
        let sum = sum * (largest - Vector::new(row_largest)).exp();
        // Read before the sum's barriers: gradients take the logits' place after them.
        let mut at_target = 0.0f32;
        if target_place < width {
            let logit = capped::<N>(logits[start + target_place], cap, has_cap);
            #[unroll]
            for lane in 0..N::value() {
                if lane == target_lane {
                    at_target = logit.extract(lane);
                }
            }
        }
        let row_sum = sum_lanes::<N>(sum_units::<N>(sum, &mut scratch));
        if UNIT_POS == 0 {
            losses[row] = (row_largest - at_target) + row_sum.ln();
        }

        if comptime!(has_gradient) {
            let factor = Vector::<f32, N>::new(scale / row_sum);
            let mut i = UNIT_POS as usize;
            while i < width {
                let mut logit = logits[start + i];
                let mut slope = Vector::<f32, N>::new(1.0);
                if comptime!(has_cap) {
                    let ratio = squashed::<N>(logit, cap);
                    logit = ratio * Vector::new(cap);
                    slope = Vector::new(1.0) - ratio * ratio;
                }
                let mut grad = (logit - Vector::new(row_largest)).exp() * factor;
                if i == target_place {
                    #[unroll]
                    for lane in 0..N::value() {
                        if lane == target_lane {
                            grad.insert(lane, grad.extract(lane) - scale);
                        }
                    }
                }
                logits[start + i] = grad * slope;
                i += units;
            }
        }
    }
}
