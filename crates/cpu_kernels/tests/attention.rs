//! Attention against a plain implementation in `f64`.

use cpu_kernels::attention::{Options, Shape, backward, forward};
use cpu_kernels::serially;
use proptest::prelude::*;

/// Inputs of one layer, and what their gradients are multiplied with.
#[derive(Clone, Debug)]
struct Layer {
    shape: Shape,
    scale: f32,
    softcap: Option<f32>,
    window: Option<usize>,
    bias: Option<Vec<f32>>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    grad_out: Vec<f32>,
}

/// `out`, `lse`, and the gradients of q, k and v.
type Results<T> = [Vec<T>; 5];

impl Layer {
    fn new(shape: Shape, seed: u64) -> Self {
        let queries = shape.batch * shape.length * shape.heads * shape.head_dim;
        let keys = shape.batch * shape.length * shape.kv_heads * shape.head_dim;
        Self {
            shape,
            scale: 1.0 / (shape.head_dim as f32).sqrt(),
            softcap: None,
            window: None,
            bias: None,
            q: noise(queries, seed),
            k: noise(keys, seed + 1),
            v: noise(keys, seed + 2),
            grad_out: noise(queries, seed + 3),
        }
    }

    fn options(&self) -> Options<'_> {
        Options {
            scale: self.scale,
            softcap: self.softcap,
            window: self.window,
            bias: self.bias.as_deref(),
        }
    }

    /// The kernels' results. What they overwrite holds NaN before.
    fn run(&self) -> Results<f32> {
        let (shape, options) = (self.shape, self.options());
        let nan = |length| vec![f32::NAN; length];
        let mut out = nan(self.q.len());
        let mut lse = nan(shape.batch * shape.heads * shape.length);
        forward(
            &self.q, &self.k, &self.v, shape, &options, &mut out, &mut lse,
        );
        let mut grads = [nan(self.q.len()), nan(self.k.len()), nan(self.v.len())];
        let [grad_q, grad_k, grad_v] = &mut grads;
        backward(
            &self.q,
            &self.k,
            &self.v,
            &out,
            &lse,
            &self.grad_out,
            shape,
            &options,
            grad_q,
            grad_k,
            grad_v,
        );
        let [grad_q, grad_k, grad_v] = grads;
        [out, lse, grad_q, grad_k, grad_v]
    }

    /// Starts of a query's vector, and of a key's that its head reads.
    fn at(&self, batch: usize, query: usize, key: usize, head: usize) -> (usize, usize) {
        let shape = self.shape;
        let kv_head = head / (shape.heads / shape.kv_heads);
        let q = (batch * shape.length + query) * shape.heads + head;
        let k = (batch * shape.length + key) * shape.kv_heads + kv_head;
        (q * shape.head_dim, k * shape.head_dim)
    }

    /// A logit and its derivative by the product of query and key; `None` for a hidden key.
    fn logit(&self, q: &[f64], k: &[f64], place: [usize; 4]) -> Option<(f64, f64)> {
        let [batch, query, key, head] = place;
        let seen = self.window.unwrap_or(self.shape.length);
        if key > query || query - key >= seen {
            return None;
        }
        let (at_q, at_k) = self.at(batch, query, key, head);
        let size = self.shape.head_dim;
        let scale = f64::from(self.scale);
        let score = scale * dot(&q[at_q..at_q + size], &k[at_k..at_k + size]);
        let (capped, slope) = self.softcap.map_or((score, 1.0), |cap| {
            let tanh = (score / f64::from(cap)).tanh();
            (f64::from(cap) * tanh, 1.0 - tanh * tanh)
        });
        let bias = |bias: &Vec<f32>| f64::from(bias[head * self.shape.length + query - key]);
        Some((capped + self.bias.as_ref().map_or(0.0, bias), scale * slope))
    }

    /// Definition, with the analytic gradient, a query at a time.
    fn reference(&self, q: &[f64], k: &[f64], v: &[f64]) -> Results<f64> {
        let shape = self.shape;
        let size = shape.head_dim;
        let grad_out = wide(&self.grad_out);
        let mut out = vec![0.0; q.len()];
        let mut lse = Vec::new();
        let (mut grad_q, mut grad_k) = (vec![0.0; q.len()], vec![0.0; k.len()]);
        let mut grad_v = vec![0.0; v.len()];
        for (batch, head, query) in places(shape) {
            let logits: Vec<_> = (0..shape.length)
                .filter_map(|key| Some((key, self.logit(q, k, [batch, query, key, head])?)))
                .collect();
            let top = logits
                .iter()
                .map(|l| l.1.0)
                .fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|l| (l.1.0 - top).exp()).sum();
            lse.push(top + sum.ln());
            let at_q = self.at(batch, query, 0, head).0;
            for &(key, (logit, _)) in &logits {
                let at_k = self.at(batch, query, key, head).1;
                let p = (logit - top).exp() / sum;
                for d in 0..size {
                    out[at_q + d] += p * v[at_k + d];
                    grad_v[at_k + d] += p * grad_out[at_q + d];
                }
            }
            let delta = dot(&out[at_q..at_q + size], &grad_out[at_q..at_q + size]);
            for &(key, (logit, slope)) in &logits {
                let at_k = self.at(batch, query, key, head).1;
                let p = (logit - top).exp() / sum;
                let grad_p = dot(&grad_out[at_q..at_q + size], &v[at_k..at_k + size]);
                let grad = p * (grad_p - delta) * slope;
                for d in 0..size {
                    grad_q[at_q + d] += grad * k[at_k + d];
                    grad_k[at_k + d] += grad * q[at_q + d];
                }
            }
        }
        [out, lse, grad_q, grad_k, grad_v]
    }

    fn wide_reference(&self) -> Results<f64> {
        self.reference(&wide(&self.q), &wide(&self.k), &wide(&self.v))
    }

    /// Panics unless the kernels agree with the reference: to `tolerance` of the greatest element, but
    /// at least of 1.
    fn check(&self, tolerance: f64) {
        let names = ["out", "lse", "grad_q", "grad_k", "grad_v"];
        for ((name, ours), theirs) in names.iter().zip(self.run()).zip(self.wide_reference()) {
            let greatest = theirs.iter().fold(1.0, |top: f64, x| top.max(x.abs()));
            for (index, (&ours, &theirs)) in ours.iter().zip(&theirs).enumerate() {
                let error = (f64::from(ours) - theirs).abs();
                // Not `error > ...`, which NaN would pass.
                assert!(
                    error <= tolerance * greatest,
                    "{name}[{index}]: {ours}, not {theirs}; {:?} window {:?} softcap {:?} bias {}",
                    self.shape,
                    self.window,
                    self.softcap,
                    self.bias.is_some()
                );
            }
        }
    }
}

fn places(shape: Shape) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..shape.batch).flat_map(move |b| {
        (0..shape.heads).flat_map(move |h| (0..shape.length).map(move |t| (b, h, t)))
    })
}

fn shape(sizes: [usize; 5]) -> Shape {
    let [batch, length, heads, kv_heads, head_dim] = sizes;
    Shape {
        batch,
        length,
        heads,
        kv_heads,
        head_dim,
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&x| f64::from(x)).collect()
}

fn bits(results: &Results<f32>) -> Vec<Vec<u32>> {
    let bits = |values: &Vec<f32>| values.iter().map(|x| x.to_bits()).collect();
    results.iter().map(bits).collect()
}

/// Numbers between -2 and 2 from a linear congruential generator.
fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 22) as f32 - 2.0
    };
    (0..length).map(|_| next()).collect()
}

/// All options at once, on a shape that has several tiles, blocks and groups.
fn rich(length: usize) -> Layer {
    let mut layer = Layer::new(shape([2, length, 4, 2, 24]), 7);
    layer.softcap = Some(3.0);
    layer.window = Some(length / 2 + 1);
    layer.bias = Some(noise(4 * length, 9));
    layer
}

fn layers() -> impl Strategy<Value = Layer> {
    let length = prop_oneof![Just(1), 2usize..40, 60usize..70, 120usize..300];
    let sizes = (1usize..3, length, 1usize..4, 1usize..3, 1usize..70);
    let window = prop_oneof![Just(None), Just(Some(1)), (1usize..320).prop_map(Some)];
    (
        sizes,
        window,
        prop::option::of(0.5f32..20.0),
        any::<bool>(),
        any::<u32>(),
    )
        .prop_map(
            |((batch, length, group, kv_heads, dim), window, softcap, bias, seed)| {
                let heads = group * kv_heads;
                let mut layer =
                    Layer::new(shape([batch, length, heads, kv_heads, dim]), seed.into());
                layer.window = window;
                layer.softcap = softcap;
                layer.bias = bias.then(|| noise(heads * length, u64::from(seed) + 4));
                layer
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_definition(layer in layers()) {
        layer.check(2e-5);
    }
}

/// Every border between vectors, panels, groups of rows and blocks.
#[test]
fn agrees_at_every_short_length() {
    for length in 1..=70 {
        for window in [None, Some(1), Some(length / 2 + 1)] {
            let mut layer = Layer::new(shape([1, length, 2, 1, 5]), length as u64);
            layer.window = window;
            layer.check(2e-5);
        }
    }
}

#[test]
fn agrees_over_many_tiles() {
    for window in [None, Some(100), Some(129), Some(700), Some(usize::MAX)] {
        let mut layer = Layer::new(shape([1, 700, 3, 1, 32]), 3);
        layer.window = window;
        layer.bias = Some(noise(3 * 700, 5));
        layer.check(2e-5);
    }
}

/// The reference's own gradients, against central differences of `sum(out * grad_out)`.
#[test]
fn reference_gradients_are_differences() {
    let layer = rich(6);
    let inputs = [wide(&layer.q), wide(&layer.k), wide(&layer.v)];
    let grad_out = wide(&layer.grad_out);
    let value = |[q, k, v]: &[Vec<f64>; 3]| dot(&layer.reference(q, k, v)[0], &grad_out);
    let results = layer.wide_reference();
    let step = 1e-5;
    for (which, grads) in results[2..].iter().enumerate() {
        for (index, grad) in grads.iter().enumerate() {
            let moved = |by: f64| {
                let mut inputs = inputs.clone();
                inputs[which][index] += by;
                value(&inputs)
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            assert!(
                (grad - difference).abs() < 1e-7,
                "{which} {index}: {grad}, {difference}"
            );
        }
    }
}

/// Scores of hundreds: softmax is almost one key's. Rounding of a score is then an error of 2e-5 in a
/// probability's exponent.
#[test]
fn large_logits_stay_finite() {
    for sign in [1.0, -1.0] {
        let mut layer = Layer::new(shape([1, 200, 2, 1, 32]), 11);
        layer.scale = sign * 16.0;
        let scores = layer.reference(&wide(&layer.q), &wide(&layer.k), &wide(&layer.v));
        assert!(
            scores[1].iter().any(|lse| *lse > 300.0),
            "the test has no large scores"
        );
        layer.check(1e-3);
        layer.softcap = Some(50.0);
        layer.check(1e-3);
    }
}

/// All logits far below where `exp` underflows: the maximum must be subtracted, whatever its sign.
#[test]
fn low_logits_keep_their_weights() {
    let mut layer = Layer::new(shape([1, 150, 2, 1, 16]), 13);
    layer.bias = Some(vec![-1000.0; 300]);
    layer.check(1e-3);
}

#[test]
fn threads_change_no_bit() {
    for layer in [rich(300), Layer::new(shape([1, 517, 2, 1, 32]), 5)] {
        let alone = bits(&serially(|| layer.run()));
        assert_eq!(bits(&layer.run()), alone);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.expect("a thread pool");
            assert_eq!(
                bits(&pool.install(|| layer.run())),
                alone,
                "{threads} threads"
            );
        }
    }
}

/// Outputs before a changed token keep their bits; so do gradients of tokens that only it follows.
#[test]
fn future_tokens_change_no_earlier_bit() {
    for changed in [1, 8, 17, 130, 299] {
        let layer = rich(300);
        let mut other = layer.clone();
        let Shape {
            length,
            heads,
            kv_heads,
            head_dim,
            ..
        } = layer.shape;
        for batch in 0..layer.shape.batch {
            let token = batch * length + changed;
            for (values, heads) in [(&mut other.k, kv_heads), (&mut other.v, kv_heads)] {
                values[token * heads * head_dim..][..heads * head_dim].fill(1.5);
            }
        }
        let (out, other) = (layer.run(), other.run());
        let width = heads * head_dim;
        // Outputs and the queries' gradients.
        for which in [0, 2] {
            for batch in 0..layer.shape.batch {
                let earlier = batch * length * width..(batch * length + changed) * width;
                let (a, b) = (&out[which][earlier.clone()], &other[which][earlier]);
                assert!(
                    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()),
                    "{changed}"
                );
                let own = (batch * length + changed) * width..;
                assert_ne!(
                    out[which][own.clone()],
                    other[which][own],
                    "the change had no effect"
                );
            }
        }
    }
}

#[test]
#[should_panic(expected = "must divide")]
fn heads_that_do_not_group_are_refused() {
    Layer::new(shape([1, 4, 3, 2, 8]), 1).run();
}

#[test]
#[should_panic(expected = "window of no keys")]
fn an_empty_window_is_refused() {
    let mut layer = Layer::new(shape([1, 4, 2, 2, 8]), 1);
    layer.window = Some(0);
    layer.run();
}
