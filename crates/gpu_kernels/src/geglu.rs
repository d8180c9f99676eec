//! Gated linear unit with the tanh form of GELU: `gelu(gate) * up`.
//!
//! `gelu(x) = x * sigmoid(z)` with `z = 2 sqrt(2/pi) (x + 0.044715 x^3)`, which is
//! `x/2 * (1 + tanh(z/2))` (Hendrycks and Gimpel 2016; gated: Shazeer 2020).

use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::launch::{allocate, argument, elementwise, vector_size};

/// `2 sqrt(2/pi)`
const SLOPE: f32 = 1.595_769;
const CUBIC: f32 = 0.044_715;
/// Where the logistic function has long reached 0 and 1; `x^3` must not overflow beyond.
const SATURATED: f32 = 12.0;
/// `e^x` must stay finite: shader compilers may assume that there are no infinities.
const LARGEST_EXPONENT: f32 = 80.0;

/// `gelu(gate) * up`, element by element.
///
/// `gate`, `up` and what is returned have `length` elements of `dtype`.
///
/// # Panics
/// If a buffer is too short.
pub fn forward(
    client: &Client,
    gate: &Handle,
    up: &Handle,
    length: usize,
    dtype: ElemType,
) -> Handle {
    let out = allocate(client, length, dtype);
    let vector_size = vector_size(length);
    let (count, dim) = elementwise(client, length / vector_size);
    // SAFETY: units beyond `length` do nothing.
    unsafe {
        forward_kernel::launch_unchecked(
            client,
            count,
            dim,
            vector_size,
            argument("gate", gate, length, dtype),
            argument("up", up, length, dtype),
            argument("out", &out, length, dtype),
            length / vector_size,
            dtype,
        );
    }
    out
}

/// Gradients of [`forward`] by `gate` and by `up`, given that of its output.
///
/// All buffers have `length` elements of `dtype`.
///
/// # Panics
/// If a buffer is too short.
pub fn backward(
    client: &Client,
    gate: &Handle,
    up: &Handle,
    grad_out: &Handle,
    length: usize,
    dtype: ElemType,
) -> (Handle, Handle) {
    let grad_gate = allocate(client, length, dtype);
    let grad_up = allocate(client, length, dtype);
    let vector_size = vector_size(length);
    let (count, dim) = elementwise(client, length / vector_size);
    // SAFETY: units beyond `length` do nothing.
    unsafe {
        backward_kernel::launch_unchecked(
            client,
            count,
            dim,
            vector_size,
            argument("gate", gate, length, dtype),
            argument("up", up, length, dtype),
            argument("grad_out", grad_out, length, dtype),
            argument("grad_gate", &grad_gate, length, dtype),
            argument("grad_up", &grad_up, length, dtype),
            length / vector_size,
            dtype,
        );
    }
    (grad_gate, grad_up)
}

/// `e^-z(x)`, for `x` within [`SATURATED`]: with it, `sigmoid(z) = 1 / (1 + e^-z)`.
#[cube]
fn exponential<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let z = Vector::new(SLOPE) * x * (x * x * Vector::new(CUBIC) + Vector::new(1.0));
    min(-z, Vector::new(LARGEST_EXPONENT)).exp()
}

#[cube]
fn clamped<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    clamp(x, Vector::new(-SATURATED), Vector::new(SATURATED))
}

#[cube(launch_unchecked)]
fn forward_kernel<F: Float, N: Size>(
    gate: &[Vector<F, N>],
    up: &[Vector<F, N>],
    out: &mut [Vector<F, N>],
    vectors: usize,
    #[define(F)] _dtype: ElemType,
) {
    let i = ABSOLUTE_POS;
    if i < vectors {
        let x = Vector::<f32, N>::cast_from(gate[i]);
        let up = Vector::<f32, N>::cast_from(up[i]);
        let one = Vector::<f32, N>::new(1.0);
        let value = one / (one + exponential::<N>(clamped::<N>(x)));
        out[i] = Vector::cast_from(x * value * up);
    }
}

#[cube(launch_unchecked)]
fn backward_kernel<F: Float, N: Size>(
    gate: &[Vector<F, N>],
    up: &[Vector<F, N>],
    grad_out: &[Vector<F, N>],
    grad_gate: &mut [Vector<F, N>],
    grad_up: &mut [Vector<F, N>],
    vectors: usize,
    #[define(F)] _dtype: ElemType,
) {
    let i = ABSOLUTE_POS;
    if i < vectors {
        let x = Vector::<f32, N>::cast_from(gate[i]);
        let up = Vector::<f32, N>::cast_from(up[i]);
        let grad = Vector::<f32, N>::cast_from(grad_out[i]);
        let one = Vector::<f32, N>::new(1.0);
        let inner = clamped::<N>(x);
        let exponential = exponential::<N>(inner);
        let value = one / (one + exponential);
        // x times the derivative of sigmoid(z(x)), with e^-z sigmoid(z) for 1 - sigmoid(z): that
        // difference would have lost its digits where the factor x dz/dx is large.
        let slope = Vector::new(SLOPE) * (inner * inner * Vector::new(3.0 * CUBIC) + one);
        let stretch = value * (exponential * value) * inner * slope;
        grad_up[i] = Vector::cast_from(grad * (x * value));
        grad_gate[i] = Vector::cast_from(grad * up * (value + stretch));
    }
}
