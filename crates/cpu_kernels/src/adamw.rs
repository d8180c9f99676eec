//! Adam with decoupled weight decay, in one pass over a parameter and its moments.

use crate::parallel::{BLOCK, for_each, map};
use crate::simd::vectorised;

/// What a step needs besides the tensors.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the corrected second moment.
    pub epsilon: f32,
    /// The parameter is multiplied by `1 - learning_rate * weight_decay` before the update.
    pub weight_decay: f32,
    /// The gradient is multiplied by this first: 1, or less where its norm is clipped.
    pub gradient_scale: f32,
    /// Number of this step, from 1.
    pub step: u32,
}

/// Updates `param` and its moments `first` and `second` in place. All of any shape, but the same.
///
/// ```text
/// g      = gradient_scale * grad
/// first  = beta1 * first  + (1 - beta1) * g
/// second = beta2 * second + (1 - beta2) * g^2
/// param  = (1 - learning_rate * weight_decay) * param
///        - learning_rate * (first / (1 - beta1^step)) / (sqrt(second / (1 - beta2^step)) + epsilon)
/// ```
///
/// # Panics
/// If lengths disagree or `step` is 0.
pub fn step(
    param: &mut [f32],
    grad: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    constants: &Constants,
) {
    assert_eq!(param.len(), grad.len(), "param and grad");
    assert_eq!(param.len(), first.len(), "param and first moment");
    assert_eq!(param.len(), second.len(), "param and second moment");
    let factors = Factors::new(constants);
    let values = param.chunks_mut(BLOCK).zip(grad.chunks(BLOCK));
    let moments = first.chunks_mut(BLOCK).zip(second.chunks_mut(BLOCK));
    let blocks = values.zip(moments).collect();
    for_each(blocks, |((param, grad), (first, second))| {
        vectorised(
            #[inline(always)]
            || {
                let moments = first.iter_mut().zip(second.iter_mut());
                for ((param, &grad), (first, second)) in param.iter_mut().zip(grad).zip(moments) {
                    factors.update(param, grad, first, second);
                }
            },
        );
    });
}

/// Sum of the squares of `x`, in double precision.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    const LANES: usize = 32;
    let partial_sums = map(x.chunks(BLOCK).collect(), |x: &[f32]| {
        vectorised(
            #[inline(always)]
            || {
                let (chunks, rest) = x.as_chunks::<LANES>();
                let mut sums = [0.0f64; LANES];
                for chunk in chunks {
                    for (sum, &x) in sums.iter_mut().zip(chunk) {
                        *sum += f64::from(x) * f64::from(x);
                    }
                }
                let rest: f64 = rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
                sums.iter().sum::<f64>() + rest
            },
        )
    });
    partial_sums.iter().sum()
}

/// [`Constants`] as an element's update uses them.
struct Factors {
    gradient_scale: f32,
    beta1: f32,
    beta2: f32,
    /// `1 / (1 - beta1^step)`
    correction1: f32,
    /// `1 / (1 - beta2^step)`
    correction2: f32,
    epsilon: f32,
    kept: f32,
    learning_rate: f32,
}

impl Factors {
    fn new(constants: &Constants) -> Self {
        assert!(constants.step > 0, "steps are counted from 1");
        // In single precision, as the reference implementation has it: 1 - 0.999^1 is 1.3e-5 off.
        let correction = |beta: f32| 1.0 / (1.0 - beta.powi(constants.step.cast_signed()));
        let decay = constants.learning_rate * f64::from(constants.weight_decay);
        Self {
            gradient_scale: constants.gradient_scale,
            beta1: constants.beta1,
            beta2: constants.beta2,
            correction1: correction(constants.beta1),
            correction2: correction(constants.beta2),
            epsilon: constants.epsilon,
            kept: (1.0 - decay) as f32,
            learning_rate: constants.learning_rate as f32,
        }
    }

    #[inline(always)]
    fn update(&self, param: &mut f32, grad: f32, first: &mut f32, second: &mut f32) {
        let grad = self.gradient_scale * grad;
        *first = *first * self.beta1 + grad * (1.0 - self.beta1);
        *second = *second * self.beta2 + grad * grad * (1.0 - self.beta2);
        let root = (*second * self.correction2).sqrt() + self.epsilon;
        *param = *param * self.kept - *first * self.correction1 / root * self.learning_rate;
    }
}
