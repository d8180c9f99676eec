"""Runs `trainer speed` under the CUDA stand-in and makes tables of what a step asks of the driver.

Called by cuda_counts.sh, which builds the stand-in and finds a CUDA toolkit. Needs Python 3.11 and nothing else.

A step's counts are the difference of two runs that are alike but for the number of steps, divided by the
difference of these numbers: what happens before the first step and after the last cancels. A first run, not
counted, fills the caches of autotuning and of compiled kernels where the trainer has them; its seconds of
compiling are the cold start's, on this machine's cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ABOUT = (
    "Counts by a stand-in for libcuda that answers as an H100 and executes nothing. They are no speeds, the losses "
    "mean nothing, and what autotuning picked is arbitrary."
)
# CubeCL ends the name of a kernel with eight digits of a hash of its settings.
VARIANT = re.compile(r"_[0-9a-f]{8}$")
# Of a multiprocessor of an H100.
REGISTERS, SHARED_BYTES, THREADS, BLOCKS = 65_536, 233_472, 2_048, 32


class Failed(Exception):
    """The trainer did not run, or did not say what it should."""


@dataclass(frozen=True)
class Run:
    """What one run left behind."""

    steps: int
    report: dict[str, Any]
    trainer: dict[str, Any]


@dataclass
class Group:
    """Kernels that differ in settings only, in one step."""

    launches: Fraction = Fraction(0)
    threads: Fraction = Fraction(0)
    variants: list[str] = field(default_factory=list)


def main() -> int:
    options = parse()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    try:
        write_settings(options)
        few, many = options.steps
        cold = run(options, few, "cold")
        # Without a cache in the trainer, a second run with few steps would be the first again.
        is_cached = any(options.environment.rglob("*.db"))
        runs = [run(options, few, "few") if is_cached else cold, run(options, many, "many")]
    except Failed as error:
        print(f"cuda_counts: {error}", file=sys.stderr)
        return 1
    text = tables(options, cold, runs)
    (options.out / "counts.md").write_text(text, encoding="utf-8")
    print(text)
    print(f"Everything, as JSON: {options.out}")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainer", type=Path, required=True)
    parser.add_argument("--library", type=Path, required=True, help="folder with the stand-in as libcuda.so.1")
    parser.add_argument("--cuda", type=Path, required=True, help="CUDA toolkit")
    parser.add_argument("--model", default="gpt2-size", help="a model of the file of shapes")
    parser.add_argument("--shapes", type=Path, default=ROOT / "benchmarks" / "shapes.toml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another value in the model, as JSON, for example head_dim=128; may be repeated",
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--steps", type=step_numbers, default=(3, 13), metavar="FEW,MANY")
    parser.add_argument(
        "--candidates",
        choices=["first", "all"],
        default="first",
        help="autotuning ends with the first candidates, or tries all of them, which compiles hundreds of kernels",
    )
    parser.add_argument(
        "--argument", action="append", default=[], help="one more for `trainer speed`, as --argument=--recompute"
    )
    parser.add_argument(
        "--environment", type=Path, help="folder with the caches of an earlier session under the stand-in, to begin with"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/cuda-counts"), help="folder, emptied first")
    options = parser.parse_args()
    for name in ["trainer", "library", "cuda", "out"]:
        setattr(options, name, getattr(options, name).resolve())
    options.environment = (options.environment or options.out / "environment").resolve()
    options.ptxas = options.cuda / "bin" / "ptxas"
    return options


def step_numbers(text: str) -> tuple[int, int]:
    try:
        few, many = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("two numbers with a comma between them") from None
    if not 1 <= few < many:
        raise argparse.ArgumentTypeError("the first number is at least 1 and below the second")
    return few, many


def write_settings(options: argparse.Namespace) -> None:
    """The model's shape, and what CubeCL reads from the working directory."""
    models = tomllib.loads(options.shapes.read_text(encoding="utf-8"))["models"]
    if options.model not in models:
        raise Failed(f"no model {options.model} in {options.shapes}, which has {', '.join(models)}")
    shape = models[options.model]
    for assignment in options.set:
        key, _, value = assignment.partition("=")
        if key not in shape:
            raise Failed(f"--set {assignment}: the model has no {key}, but {', '.join(shape)}")
        shape[key] = json.loads(value)
    (options.out / "shape.json").write_text(json.dumps(shape, indent=1), encoding="utf-8")
    environment, decisions = (json.dumps(str(path)) for path in [options.environment, options.out / "decisions.jsonl"])
    (options.out / "cubecl.toml").write_text(
        f"environment.path = {{ directory = {environment} }}\n"
        "compilation.cache = true\n"
        'autotune.logger.level = "disabled"\n'
        f"autotune.decisions.file = {decisions}\n",
        encoding="utf-8",
    )


def run(options: argparse.Namespace, steps: int, name: str) -> Run:
    """One run of `trainer speed`, with what it printed kept in files."""
    report = options.out / f"report-{name}.json"
    libraries = [str(options.library), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    environment = os.environ | {
        "LD_LIBRARY_PATH": ":".join(libraries),
        "CUDA_PATH": str(options.cuda),
        "CUDA_STANDIN_PTXAS": str(options.ptxas),
        "CUDA_STANDIN_CACHE": str(answers(options)),
        "CUDA_STANDIN_REPORT": str(report),
        "CUDA_STANDIN_PTX": str(options.out / "ptx"),
        "CUDA_STANDIN_TUNING": options.candidates,
    }
    command = [str(options.trainer), "speed", "--shape", "shape.json", "--device", "cuda"]
    command += ["--batch", str(options.batch), "--length", str(options.length), "--dtype", options.dtype]
    command += ["--warmup", "0", "--steps", str(steps), *options.argument, *unchecked(options)]
    print(f"cuda_counts: {steps} steps ({name}): {' '.join(command)}", file=sys.stderr, flush=True)
    with (options.out / f"trainer-{name}.log").open("w", encoding="utf-8") as log:
        done = subprocess.run(
            command, check=False, cwd=options.out, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    if done.returncode != 0:
        raise Failed(f"the trainer's exit status is {done.returncode}; what it said is in {log.name}")
    lines = done.stdout.strip().splitlines()
    if not lines or not report.exists():
        raise Failed(f"no line of JSON, or no {report}: did the trainer find the stand-in? See {log.name}")
    (options.out / f"trainer-{name}.json").write_text(lines[-1] + "\n", encoding="utf-8")
    return Run(steps, json.loads(report.read_text(encoding="utf-8")), json.loads(lines[-1]))


def answers(options: argparse.Namespace) -> Path:
    """The folder of what this version of ptxas said, which is kept from one session to the next."""
    version = subprocess.run([str(options.ptxas), "--version"], capture_output=True, check=True).stdout
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "prope" / f"ptxas-{hashlib.sha256(version).hexdigest()[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def unchecked(options: argparse.Namespace) -> list[str]:
    """The check of the kernels compares numbers, and here there are none."""
    command = [str(options.trainer), "speed", "--help"]
    described = subprocess.run(command, check=False, capture_output=True, text=True)
    return ["--unchecked"] if "--unchecked" in described.stdout else []


def tables(options: argparse.Namespace, cold: Run, runs: list[Run]) -> str:
    few, many = runs
    model = ", ".join([options.model, *options.set])
    what = f"{model}, B={options.batch}, T={options.length}, {options.dtype}"
    extra = f", {' '.join(options.argument)}" if options.argument else ""
    parts = [
        f"# CUDA calls of a training step: {what}{extra}",
        f"{ABOUT} Runs of {few.steps} and {many.steps} steps; tuning tried {'its first' if options.candidates == 'first' else 'all'} candidates.",
        "## Launches a step",
        launches(few, many),
        "## Memory, copies, waits",
        totals(few, many),
        "## Cold start",
        cold_start(cold, few),
        "## What the kernels of a step need",
        resources(few, many),
        "## Kernels that spill, launched in a step or not",
        spills(many),
    ]
    refused = many.report["refusals"] + cold.report["refusals"]
    if refused:
        parts += ["## Launches and tensor maps that the device would refuse", *(f"* `{words}`" for words in sorted(set(refused)))]
    return "\n\n".join(parts) + "\n"


def per_step(few: Run, many: Run, *path: str) -> Fraction:
    """A number of the report, of one step."""
    first, second = number(few.report, path), number(many.report, path)
    return Fraction(second - first, many.steps - few.steps)


def number(report: Any, path: tuple[str, ...]) -> int:
    for key in path:
        report = report[key]
    return int(report)


def shown(number: Fraction) -> str:
    """A whole number with its digits in groups; another is said to be none."""
    return f"{int(number):,}" if number.denominator == 1 else f"{float(number):,.1f} (not whole)"


def kernels_of_step(few: Run, many: Run) -> list[tuple[dict[str, Any], Fraction, Fraction]]:
    """Kernels with their launches and threads in a step, by launches."""
    before = {kernel["name"]: kernel for kernel in few.report["kernels"]}
    nothing = {"launches": 0, "threads": 0}
    steps = many.steps - few.steps
    rows = []
    for kernel in many.report["kernels"]:
        earlier = before.get(kernel["name"], nothing)
        launches, threads = (Fraction(kernel[key] - earlier[key], steps) for key in nothing)
        if launches:
            rows.append((kernel, launches, threads))
    return sorted(rows, key=lambda row: (-row[1], row[0]["name"]))


def launches(few: Run, many: Run) -> str:
    groups: dict[str, Group] = defaultdict(Group)
    for kernel, launched, threads in kernels_of_step(few, many):
        group = groups[VARIANT.sub("", kernel["name"])]
        group.launches += launched
        group.threads += threads
        group.variants.append(kernel["name"])
    rows = [
        [f"`{name}`", shown(group.launches), str(len(group.variants)), shown(group.threads)]
        for name, group in sorted(groups.items(), key=lambda item: -item[1].launches)
    ]
    total = [sum((getattr(group, key) for group in groups.values()), Fraction(0)) for key in ["launches", "threads"]]
    rows.append(["**all**", shown(total[0]), str(sum(len(g.variants) for g in groups.values())), shown(total[1])])
    return table(["kernel", "launches", "variants", "threads"], rows)


def totals(few: Run, many: Run) -> str:
    rows = []
    directions = ["host_to_device", "device_to_host", "device_to_device", "fills"]
    for direction in directions:
        calls, volume = (per_step(few, many, "copies", direction, key) for key in ["calls", "bytes"])
        rows.append([direction.replace("_", " "), shown(calls), shown(volume)])
    for name in ["allocations", "pinned"]:
        calls, volume = (per_step(few, many, name, key) for key in ["calls", "bytes"])
        rows.append([f"{name} of {'the device' if name == 'allocations' else 'the host'}", shown(calls), shown(volume)])
    for kind in many.report["synchronisations"]:
        words = kind.replace("_", " ") if kind == "stream_waits" else f"waits for a {kind}"
        rows.append([words, shown(per_step(few, many, "synchronisations", kind)), ""])
    rows.append(["tensor maps", shown(per_step(few, many, "tensor_maps")), ""])
    memory = many.report["allocations"]
    peak = (
        f"Device memory in the run: peak {memory['peak']:,} bytes, {memory['live']:,} at the end, "
        f"in {memory['calls']} allocations."
    )
    outside = many.report["copies"]["outside"]
    warning = [f"**{outside} copies lie outside of every allocation.**"] if outside else []
    return "\n\n".join([table(["a step", "calls", "bytes"], rows), sizes(few, many), peak, *warning])


def sizes(few: Run, many: Run) -> str:
    """Copies by their bytes, where a step has them."""
    lines = []
    for direction in ["host_to_device", "device_to_host", "device_to_device"]:
        before = few.report["copies"][direction]["sizes"]
        found = []
        for size, calls in many.report["copies"][direction]["sizes"].items():
            count = Fraction(calls - before.get(size, 0), many.steps - few.steps)
            if count:
                found.append(f"{shown(count)} of {int(size):,}")
        if found:
            lines.append(f"* {direction.replace('_', ' ')}: {', '.join(found)}")
    return "Copies by their bytes:\n\n" + "\n".join(lines) if lines else ""


def cold_start(cold: Run, warm: Run) -> str:
    modules = cold.report["modules"]
    seconds = [side.trainer["seconds_to_first_step"] for side in [cold, warm]]
    first = cold.report["seconds"]["first_launch"] or 0.0
    cached = f", {seconds[1]:.1f} with everything in the caches" if warm is not cold else ", and there is no cache"
    lines = [
        f"* PTX modules: {modules['examined']}, of which ptxas rejected {modules['rejected']}; "
        + f"{modules['from_cache']} answers of ptxas were known from an earlier session; loaded {modules['loaded']}",
        f"* seconds of ptxas, all runs of it together: {modules['ptxas_seconds']:.1f}",
        f"* seconds to the end of the first step: {seconds[0]:.1f} cold{cached}, on {os.cpu_count()} cores",
        f"* seconds from the driver's start to the first launch: {first:.1f}",
    ]
    counted: dict[str, int] = defaultdict(int)
    for words in modules["warnings"]:
        counted[re.sub(r"'[^']*'", "'...'", words)] += 1
    lines += [f"* {count} x {words}" for words, count in sorted(counted.items(), key=lambda item: -item[1])]
    return "\n".join(lines)


COLUMNS = ["regs", "stack", "spill st", "spill ld", "shared", "threads", "blocks/SM", "tensor cores"]


def needs(kernel: dict[str, Any]) -> list[str]:
    keys = ["registers", "stack_bytes", "spill_store_bytes", "spill_load_bytes", "shared_bytes", "block_threads"]
    values = [f"{kernel[key]:,}" for key in keys]
    return [*values, blocks_at_once(kernel), "yes" if kernel["uses_tensor_cores"] else ""]


def blocks_at_once(kernel: dict[str, Any]) -> str:
    """Blocks of a multiprocessor by registers, shared memory and threads."""
    warps = -(-kernel["block_threads"] // 32)
    if not warps or not kernel["registers"]:
        return ""
    registers = warps * -(-32 * kernel["registers"] // 256) * 256
    # The driver keeps a KiB of each block.
    shared = kernel["shared_bytes"] + 1024
    limits = [REGISTERS // registers, SHARED_BYTES // shared, THREADS // (32 * warps), BLOCKS]
    return str(min(limits))


def resources(few: Run, many: Run) -> str:
    rows = [[f"`{kernel['name']}`", shown(count), *needs(kernel)] for kernel, count, _ in kernels_of_step(few, many)]
    return table(["kernel", "launches", *COLUMNS], rows)


def spills(many: Run) -> str:
    kernels = [kernel for kernel in many.report["kernels"] if kernel["spill_store_bytes"] or kernel["spill_load_bytes"]]
    if not kernels:
        return "None."
    kernels.sort(key=lambda kernel: -kernel["spill_store_bytes"] - kernel["spill_load_bytes"])
    return table(["kernel", *COLUMNS], [[f"`{kernel['name']}`", *needs(kernel)] for kernel in kernels])


def table(header: list[str], rows: list[list[str]]) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows])


if __name__ == "__main__":
    sys.exit(main())
