use cpu_kernels::rotary as cpu;
use gpu_kernels::rotary::{Shape, rotate, rotate_back};
use proptest::prelude::*;

use crate::tools::*;

/// Cosines and sines of a few positions more than needed.
fn tables(shape: Shape) -> (Vec<f32>, Vec<f32>) {
    let half = shape.head_dim / 2;
    let angles = (0..(shape.length + 3) * half).map(|i| {
        let (position, pair) = (i / half, i % half);
        position as f64 * 100f64.powf(-(pair as f64) / half as f64)
    });
    angles
        .map(|angle| (angle.cos() as f32, angle.sin() as f32))
        .unzip()
}

fn check(gpu: &Gpu, seed: u64, shape: Shape, precision: Precision, of_tables: Precision) {
    let elements = shape.batch * shape.length * shape.heads * shape.head_dim;
    let x = precision.rounded(random(seed, elements, 2.0));
    let (cos, sin) = tables(shape);
    let (cos, sin) = (of_tables.rounded(cos), of_tables.rounded(sin));
    let on_cpu = cpu::Shape {
        batch: shape.batch,
        length: shape.length,
        heads: shape.heads,
        head_dim: shape.head_dim,
    };
    let (mut forth, mut back) = (vec![0.0; elements], vec![0.0; elements]);
    cpu::rotate(&x, &cos, &sin, on_cpu, &mut forth);
    cpu::rotate_back(&x, &cos, &sin, on_cpu, &mut back);
    let x = gpu.up(&x, precision);
    let (cos, sin) = (gpu.up(&cos, of_tables), gpu.up(&sin, of_tables));
    let dtypes = (precision.dtype(), of_tables.dtype());
    let client = &gpu.client;
    let rotated = rotate(client, &x, &cos, &sin, shape, dtypes.0, dtypes.1);
    let error = precision.tolerance(3e-7);
    assert_close(
        "forth",
        &gpu.down(&rotated, precision),
        &double(&forth),
        error,
    );
    let rotated = rotate_back(client, &x, &cos, &sin, shape, dtypes.0, dtypes.1);
    assert_close(
        "back",
        &gpu.down(&rotated, precision),
        &double(&back),
        error,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    #[ignore = "needs a Vulkan device: make test-vulkan"]
    fn equals_the_cpu(
        seed in 0u64..1000,
        batch in 1usize..4,
        length in 1usize..50,
        heads in 1usize..6,
        half in 1usize..40,
    ) {
        let shape = Shape { batch, length, heads, head_dim: 2 * half };
        check(&Gpu::new(), seed, shape, SINGLE, SINGLE);
    }
}

#[test]
#[ignore = "needs a Vulkan device: make test-vulkan"]
fn whole_vectors_and_all_precisions_equal_the_cpu() {
    let gpu = Gpu::new();
    for precision in gpu.precisions() {
        for head_dim in [6, 64] {
            let shape = Shape {
                batch: 2,
                length: 19,
                heads: 3,
                head_dim,
            };
            check(&gpu, 1, shape, precision, SINGLE);
            check(&gpu, 1, shape, precision, precision);
        }
    }
}
