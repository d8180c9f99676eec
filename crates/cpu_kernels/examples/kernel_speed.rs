//! Times every kernel but attention at the sizes of small decoders.
//!
//! ```text
//! cargo run --release -p cpu_kernels --example kernel_speed [-- NAME]
//! ```
//!
//! Prints milliseconds (median and best of many calls), and how far that is from the machine: GB/s of
//! memory that has to be read and written, or GFLOP/s of products, first those of a large copy and a
//! large product. NAME restricts to kernels whose name begins with it.

use std::hint::black_box;
use std::time::Instant;

use cpu_kernels::{adamw, embedding, geglu, linear, linear_cross_entropy, rms_norm, rotary};

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let bench = Bench { only };
    println!(
        "{:<26} {:>5} {:>4} {:>5} {:>9} {:>9} {:>9}",
        "kernel", "N", "C", "V", "median ms", "best ms", "best rate"
    );
    bench.machine();
    for tokens in [1024, 2048] {
        for width in [128, 256] {
            let size = Size {
                tokens,
                width,
                words: 0,
            };
            bench.rms_norm(size);
            bench.rotary(size);
            bench.geglu(size);
            bench.linear(size);
            for words in [2048, 8192] {
                let size = Size { words, ..size };
                bench.linear_cross_entropy(size);
                bench.embedding(size);
                bench.adamw(size);
            }
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Size {
    /// N
    tokens: usize,
    /// C; the feed-forward width is four times that.
    width: usize,
    /// V, where there is one.
    words: usize,
}

/// What a call cannot do without.
#[derive(Clone, Copy)]
enum Work {
    /// f32 elements read or written.
    Elements(usize),
    /// Multiplications and additions.
    Operations(usize),
}

struct Bench {
    only: String,
}

impl Bench {
    fn time(&self, name: &str, size: Size, work: Work, mut f: impl FnMut()) {
        if !name.starts_with(&self.only) {
            return;
        }
        f();
        let start = Instant::now();
        let mut seconds = Vec::new();
        while seconds.len() < 10 || (start.elapsed().as_secs_f64() < 0.2 && seconds.len() < 1000) {
            let start = Instant::now();
            f();
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let (best, median) = (seconds[0], seconds[seconds.len() / 2]);
        let (rate, unit) = match work {
            Work::Elements(elements) => (4.0 * elements as f64 / best / 1e9, "GB/s"),
            Work::Operations(operations) => (operations as f64 / best / 1e9, "GFLOP/s"),
        };
        println!(
            "{name:<26} {:>5} {:>4} {:>5} {:>9.3} {:>9.3} {rate:>9.1} {unit}",
            size.tokens,
            size.width,
            size.words,
            median * 1e3,
            best * 1e3
        );
    }

    /// What the machine can do.
    fn machine(&self) {
        for length in [1 << 18, 1 << 24] {
            let (from, mut to) = (vec![1.0f32; length], vec![0.0f32; length]);
            let name = format!("copy of {} MB, 1 thread", length >> 18);
            self.time(&name, Size::default(), Work::Elements(2 * length), || {
                black_box(&mut to).copy_from_slice(black_box(&from));
            });
        }
        let n = 1536;
        let (a, b, mut c) = (
            vec![0.5f32; n * n],
            vec![0.25f32; n * n],
            vec![0.0f32; n * n],
        );
        for (name, threads) in [
            ("product, 1 thread", gemm::Parallelism::None),
            ("product", gemm::Parallelism::Rayon(0)),
        ] {
            self.time(
                name,
                Size::default(),
                Work::Operations(2 * n * n * n),
                || {
                    let stride = n as isize;
                    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
                    // SAFETY: three matrices of n x n elements, the written one borrowed mutably.
                    unsafe {
                        gemm::gemm(
                            n, n, n, c, 1, stride, false, a, 1, stride, b, 1, stride, 0.0, 1.0,
                            false, false, false, threads,
                        );
                    }
                },
            );
        }
    }

    fn rms_norm(&self, size: Size) {
        let Size { tokens, width, .. } = size;
        let n = tokens * width;
        let (x, gain, mut out) = (values(n), values(width), values(n));
        let (mut inverse, mut grad_x, mut grad_gain) =
            (vec![0.0; tokens], values(n), values(width));
        self.time("rms_norm", size, Work::Elements(2 * n), || {
            rms_norm::forward(&x, Some(&gain), 1.0, 1e-6, &mut out, &mut inverse);
        });
        self.time("rms_norm backward", size, Work::Elements(3 * n), || {
            rms_norm::backward(
                &x,
                Some(&gain),
                1.0,
                &inverse,
                &out,
                &mut grad_x,
                Some(&mut grad_gain),
            );
        });
    }

    fn rotary(&self, size: Size) {
        let n = size.tokens * size.width;
        let shape = rotary::Shape {
            batch: 1,
            length: size.tokens,
            heads: size.width / 32,
            head_dim: 32,
        };
        let (x, mut out) = (values(n), values(n));
        // A rotation by 37 degrees: applied again and again, it keeps its input's size.
        let (cos, sin) = (vec![0.8; size.tokens * 16], vec![0.6; size.tokens * 16]);
        self.time("rotary", size, Work::Elements(2 * n), || {
            rotary::rotate(&x, &cos, &sin, shape, &mut out);
        });
        self.time("rotary in place", size, Work::Elements(2 * n), || {
            rotary::rotate_in_place(&mut out, &cos, &sin, shape);
        });
    }

    fn geglu(&self, size: Size) {
        let n = size.tokens * size.width * 4;
        let (gate, up, mut out) = (values(n), values(n), values(n));
        let (mut grad_gate, mut grad_up) = (values(n), values(n));
        self.time("geglu", size, Work::Elements(3 * n), || {
            geglu::forward(&gate, &up, &mut out);
        });
        self.time("geglu backward", size, Work::Elements(5 * n), || {
            geglu::backward(&gate, &up, &out, &mut grad_gate, &mut grad_up);
        });
    }

    fn linear(&self, size: Size) {
        let wide = 4 * size.width;
        for (name, inputs, outputs) in [("up", size.width, wide), ("down", wide, size.width)] {
            let rows = size.tokens;
            let shape = linear::Shape {
                rows,
                inputs,
                outputs,
            };
            let (mut x, mut w, mut out) = (
                values(rows * inputs),
                values(inputs * outputs),
                values(rows * outputs),
            );
            let work = Work::Operations(2 * rows * inputs * outputs);
            self.time(&format!("linear {name}"), size, work, || {
                linear::forward(&x, &w, shape, &mut out);
            });
            self.time(&format!("linear {name} grad_input"), size, work, || {
                linear::grad_input(&out, &w, shape, &mut x);
            });
            self.time(&format!("linear {name} grad_weight"), size, work, || {
                linear::grad_weight(&x, &out, shape, &mut w);
            });
        }
    }

    fn linear_cross_entropy(&self, size: Size) {
        let Size {
            tokens,
            width,
            words,
        } = size;
        let (hidden, weight, targets) = (values(tokens * width), values(words * width), ids(size));
        let (mut grad_hidden, mut grad_weight) = (values(tokens * width), values(words * width));
        let mut losses = vec![0.0; tokens];
        let product = 2 * tokens * width * words;
        self.time(
            "linear_cross_entropy",
            size,
            Work::Operations(product),
            || {
                linear_cross_entropy::losses(&hidden, &weight, &targets, None, &mut losses);
            },
        );
        self.time(
            "linear_cross_entropy grad",
            size,
            Work::Operations(3 * product),
            || {
                linear_cross_entropy::losses_and_gradients(
                    &hidden,
                    &weight,
                    &targets,
                    None,
                    1.0,
                    &mut losses,
                    &mut grad_hidden,
                    &mut grad_weight,
                );
            },
        );
    }

    fn embedding(&self, size: Size) {
        let n = size.tokens * size.width;
        let (mut weight, ids, mut out) = (values(size.words * size.width), ids(size), values(n));
        self.time("embedding", size, Work::Elements(2 * n), || {
            embedding::forward(&weight, &ids, 2.0, &mut out);
        });
        self.time("embedding grad_weight", size, Work::Elements(3 * n), || {
            embedding::grad_weight(&ids, &out, 1e-6, &mut weight);
        });
    }

    fn adamw(&self, size: Size) {
        let n = size.words * size.width;
        let (mut param, grad) = (values(n), values(n));
        let (mut first, mut second) = (vec![0.0; n], vec![0.0; n]);
        let constants = adamw::Constants {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.1,
            gradient_scale: 1.0,
            step: 7,
        };
        self.time("adamw", size, Work::Elements(7 * n), || {
            adamw::step(&mut param, &grad, &mut first, &mut second, &constants);
        });
        self.time("sum_of_squares", size, Work::Elements(n), || {
            black_box(adamw::sum_of_squares(&grad));
        });
    }
}

/// Numbers in -0.5..0.5 without a pattern that matters.
fn values(length: usize) -> Vec<f32> {
    (0..length)
        .map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5)
        .collect()
}

fn ids(size: Size) -> Vec<i32> {
    (0..size.tokens)
        .map(|i| (i * 7919 % size.words) as i32)
        .collect()
}
