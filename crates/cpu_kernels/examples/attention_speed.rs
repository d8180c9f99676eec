//! Times attention forward and backward at sizes of small decoders.
//!
//! Prints milliseconds (median, and the fastest run's) and GFLOP/s, counting only the half of scores that a causal mask keeps:
//! 2 products forward and 5 backward.

use std::hint::black_box;
use std::time::Instant;

use cpu_kernels::attention::{Options, Shape, backward, forward};

/// B, T, H, K, D, and whether the backward pass is timed too.
const SIZES: [(usize, usize, usize, usize, usize, bool); 6] = [
    (2, 256, 4, 1, 32, true),
    (1, 512, 4, 1, 64, true),
    (4, 512, 6, 2, 64, true),
    (1, 2048, 4, 1, 64, true),
    (1, 2048, 6, 2, 64, true),
    (1, 32768, 4, 1, 32, false),
];

fn main() {
    println!("     B     T  H  K   D  forward ms  fastest GFLOP/s  backward ms  fastest GFLOP/s");
    for (batch, length, heads, kv_heads, head_dim, both) in SIZES {
        let shape = Shape {
            batch,
            length,
            heads,
            kv_heads,
            head_dim,
        };
        time(shape, both);
    }
}

fn time(shape: Shape, both: bool) {
    let Shape {
        batch,
        length,
        heads,
        kv_heads,
        head_dim,
    } = shape;
    let options = Options {
        scale: 1.0 / (head_dim as f32).sqrt(),
        softcap: None,
        window: None,
        bias: None,
    };
    let queries = batch * length * heads;
    let keys = batch * length * kv_heads;
    let (q, k, v) = (
        noise(queries * head_dim, 1),
        noise(keys * head_dim, 2),
        noise(keys * head_dim, 3),
    );
    let mut out = vec![0.0; q.len()];
    let mut lse = vec![0.0; queries];
    let product = queries as f64 * length as f64 * head_dim as f64;

    let (ms, fastest) = times(|| forward(&q, &k, &v, shape, &options, &mut out, &mut lse));
    print!("{batch:6}{length:6}{heads:3}{kv_heads:3}{head_dim:4}");
    print!("{ms:12.3}{fastest:9.3}{:8.0}", 2.0 * product / ms / 1e6);
    if both {
        let grad_out = noise(q.len(), 4);
        let mut grad_q = vec![0.0; q.len()];
        let (mut grad_k, mut grad_v) = (vec![0.0; k.len()], vec![0.0; v.len()]);
        let (ms, fastest) = times(|| {
            backward(
                &q,
                &k,
                &v,
                &out,
                &lse,
                &grad_out,
                shape,
                &options,
                &mut grad_q,
                &mut grad_k,
                &mut grad_v,
            );
            black_box(&grad_q);
        });
        print!("{ms:13.3}{fastest:9.3}{:8.0}", 5.0 * product / ms / 1e6);
    }
    println!();
}

/// Median and least milliseconds of runs that together take about half a second, but at least 5.
fn times(mut f: impl FnMut()) -> (f64, f64) {
    f();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || start.elapsed().as_secs_f64() < 0.5 {
        let start = Instant::now();
        f();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0])
}

/// Numbers between -1 and 1 from a linear congruential generator.
fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..length).map(|_| next()).collect()
}
