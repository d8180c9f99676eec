#!/usr/bin/env python3
"""Does the check before training see a wrong kernel? Breaks one GPU kernel at a time in a copy of the sources and
runs `trainer check-kernels` on a software Vulkan device.

    scripts/mutate_kernels.py FOLDER [--target-dir DIR]

FOLDER receives the copy of the sources; DIR holds the build (a folder of its own: `make mutate-kernels` gives the one
of `make test-vulkan`). Prints which results each mutation turns wrong, beside those that are wrong on the device
without one; the status is 1 if a mutation is not caught. Each mutation takes a build of about a minute.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What breaks: file, the text (once in the file), what takes its place, and the operation that must be found wrong.
GPU = "crates/gpu_kernels/src/"
CUBE = "crates/fused/src/"
MUTATIONS = [
    ("norm: the mean of squares is a sum", GPU + "rms_norm.rs",
     "sum_lanes::<N>(sum_units::<N>(squares, &mut scratch)) * share;", "sum_lanes::<N>(sum_units::<N>(squares, &mut scratch));", "norm"),
    ("norm: the gradient forgets the mean", GPU + "rms_norm.rs", "(grad - x * mean) * inverse", "grad * inverse", "norm"),
    ("norm: a gain's gradient leaves out a block's last row", GPU + "rms_norm.rs",
     "let end = min((block + 1) * per_block, rows);", "let end = min((block + 1) * per_block, rows) - 1;", "norm"),
    ("norm: blocks of a gain's gradient beyond the first are dropped", GPU + "rms_norm.rs",
     "while block < blocks {\n            sum += partial", "while block < 1 {\n            sum += partial", "norm"),
    ("rotation: the wrong way", GPU + "rotary.rs", "first * cos - second * sin", "first * cos + second * sin", "rotation"),
    ("rotation: pairs (2i, 2i + 1)", GPU + "rotary.rs", "x[place + half]", "x[place + 1]", "rotation"),
    ("rotation: the gradient turns forward", GPU + "rotary.rs",
     "apply(client, grad_out, [cos, sin], -1.0, shape, dtypes)", "apply(client, grad_out, [cos, sin], 1.0, shape, dtypes)", "rotation"),
    ("rotation: heads count as positions", GPU + "rotary.rs", "(head / heads) % length", "head % length", "rotation"),
    ("GeGLU: another cubic coefficient", GPU + "geglu.rs", "0.044_715", "0.044_000", "GeGLU"),
    ("GeGLU: the gradient lacks the derivative of the gate", GPU + "geglu.rs", "(value + stretch)", "value", "GeGLU"),
    ("embedding: no scale in the gradient", GPU + "embedding.rs", "grad_out[token * width + column] * scale", "grad_out[token * width + column]", "embedding"),
    ("embedding: the last id of a tile is missed", GPU + "embedding.rs",
     "found[next as usize] = (own + k) as u32;", "found[next as usize] = own as u32;", "embedding"),
    ("loss: the right answer has no gradient of its own", GPU + "cross_entropy.rs", "grad.extract(lane) - scale", "grad.extract(lane)", "loss"),
    ("loss: the maximum is not subtracted from the right answer", GPU + "cross_entropy.rs", "(row_largest - at_target)", "(-at_target)", "loss"),
    ("AdamW: no correction of the first moment", GPU + "adamw.rs", "mean * Vector::new(correction1)", "mean", "AdamW"),
    ("AdamW: decay is forgotten", GPU + "adamw.rs", "param[i] * Vector::new(kept)", "param[i]", "AdamW"),
    ("sum of squares: one block too few", GPU + "adamw.rs", "if block < blocks {", "if block + 1 < blocks {", "AdamW"),
    ("product: the gradient of a weight is doubled", CUBE + "cube.rs",
     "product(Self::float_transpose(x), grad)", "Self::float_mul_scalar(product(Self::float_transpose(x), grad), 2.0.into())", "product"),
    ("attention: 5% more scale", CUBE + "cube_attention.rs",
     "scale: ScoreScale::Custom(attention.scale)", "scale: ScoreScale::Custom(attention.scale * 1.05)", "attention"),
    ("attention: the window is a token too wide", CUBE + "cube_attention.rs",
     "attention.window.and_then(std::num::NonZeroUsize::new)", "attention.window.and_then(|window| std::num::NonZeroUsize::new(window + 1))", "attention"),
    ("attention: the future is seen", CUBE + "cube_attention.rs", "AttentionVisibility::new(true,", "AttentionVisibility::new(false,", "attention"),
]


def shape() -> dict:
    """A small decoder with everything that is checked: grouped heads, a window, norms of queries, keys and values."""
    layer = {"encoding": {"kind": "rope", "theta": 10000.0}, "sliding_window": 40}
    return {
        "vocab_size": 301, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 128, "norm_gain": "one_plus",
        "rms_norm_eps": 1e-6, "qk_norm": True, "v_norm": True, "post_norms": False, "scale_embeddings": True,
        "pattern": ["local"], "layers": {"local": layer},
    }


def build(copy: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    command = ["cargo", "build", "-q", "-p", "trainer", "--no-default-features", "--features", "wgpu",
               "--profile", "unoptimised", "--target-dir", str(target)]
    subprocess.run(command, cwd=copy, check=True)
    return target / "unoptimised" / "trainer"


def wrong(trainer: pathlib.Path, folder: pathlib.Path) -> set[str]:
    """The results that a check of `trainer` finds wrong, without their figures."""
    command = [trainer, "check-kernels", "--shape", folder / "shape.json", "--batch", "2", "--length", "96", "--device", "wgpu:cpu"]
    # wgpu 30 has a race that can leave it waiting for ever (docs/decisions.md).
    for _ in range(3):
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=180)
            break
        except subprocess.TimeoutExpired:
            continue
    else:
        sys.exit("the check did not end, three times")
    lines = run.stdout.splitlines()
    if not any(line.startswith(("ok ", "WRONG")) for line in lines):
        sys.exit(f"the check printed nothing:\n{run.stdout}{run.stderr}")
    return {line.removeprefix("WRONG").split(": off by")[0].strip() for line in lines if line.startswith("WRONG")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--target-dir", type=pathlib.Path, required=True)
    parser.add_argument("--only", default="", help="mutations whose description contains this")
    arguments = parser.parse_args()
    copy = arguments.folder / "sources"
    if copy.exists():
        shutil.rmtree(copy)
    copy.mkdir(parents=True)
    for name in ("Cargo.toml", "Cargo.lock", "crates", "datasets"):
        source = ROOT / name
        # With the time of now: cargo would take an earlier run's last mutant for the build of files that are older.
        if source.is_dir():
            shutil.copytree(source, copy / name, copy_function=shutil.copy)
        else:
            shutil.copy(source, copy / name)
    (arguments.folder / "shape.json").write_text(json.dumps(shape()))
    target = arguments.target_dir.resolve()

    always = wrong(build(copy, target), arguments.folder)
    print(f"without a mutation, wrong on this device: {len(always)}", *sorted(always), sep="\n  ", flush=True)
    missed = 0
    chosen = [mutation for mutation in MUTATIONS if arguments.only in mutation[0]]
    for what, file, before, after, operation in chosen:
        path = copy / file
        source = path.read_text()
        if source.count(before) != 1:
            sys.exit(f"{file} has `{before}` {source.count(before)} times, not once: {what}")
        path.write_text(source.replace(before, after))
        found = wrong(build(copy, target), arguments.folder) - always
        path.write_text(source)
        caught = any(result.startswith(operation) for result in found)
        missed += not caught
        first = next(iter(sorted(found)), "nothing")
        print(f"{'caught' if caught else 'MISSED'}: {what}: {len(found)} results, the first: {first}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} mutations caught")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
