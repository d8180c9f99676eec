"""Where the time of the trainer's steps goes on the CPU, and how near its products are to the machine's peak.

The peak is the best rate of a large f32 product in PyTorch on the same threads, measured before and after.
Needs the environment of setup.sh.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from host import Host
from run import HERE, append, default_python, execute, result, stamp

# The best of a few sizes: which one is fastest depends on the caches.
PEAK = """
import sys, time, torch
torch.set_num_threads(int(sys.argv[1]))
best = 0.0
for n in (1024, 2048, 4096):
    a, b = torch.rand(n, n), torch.rand(n, n)
    for _ in range(4):
        began = time.perf_counter()
        torch.mm(a, b)
        best = max(best, 2 * n**3 / (time.perf_counter() - began))
print(best)
"""


def main() -> int:
    options = parse()
    models = tomllib.loads((HERE / "shapes.toml").read_text(encoding="utf-8"))["models"]
    host = Host.here()
    before = peak(options)
    with tempfile.TemporaryDirectory() as folder:
        shape = Path(folder) / "shape.json"
        shape.write_text(json.dumps(models[options.model]), encoding="utf-8")
        line = result("ours", command(options, shape))
    best = max(before, peak(options))
    options.results.mkdir(parents=True, exist_ok=True)
    about = {"profile_of": options.model, "length": options.length, "peak_flops": best}
    append(options.results / f"profile-{host.kind('cpu')}.jsonl", {**stamp(host), **about, **line})
    print(table(line, best))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", required=True, help="command of our side, without the arguments of a case")
    parser.add_argument("--python", default=default_python(), help="Python of the PyTorch side")
    parser.add_argument("--model", default="small")
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--evaluate", action="store_true")
    parser.add_argument("--threads", type=int, default=Host.here().cores)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser.parse_args()


def command(options: argparse.Namespace, shape: Path) -> list[str]:
    values = {
        "shape": shape,
        "batch": options.batch,
        "length": options.length,
        "steps": options.steps,
        "warmup": 2,
        "device": "cpu",
        "threads": options.threads,
    }
    arguments = [text for key, value in values.items() for text in (f"--{key}", str(value))]
    return [*shlex.split(options.ours), *arguments, "--profile", *(["--evaluate"] if options.evaluate else [])]


def peak(options: argparse.Namespace) -> float:
    """FLOP/s of PyTorch's best large product."""
    return float(execute([options.python, "-c", PEAK, str(options.threads)]))


def table(line: dict[str, Any], best: float) -> str:
    """Operations by their share of the threads' time. FLOP/s are of all threads together."""
    at_once, seconds = line["profile"]["at_once"], sum(line["step_seconds"])
    operations = sorted(line["profile"]["operations"], key=lambda entry: -entry["seconds"])
    rows = [
        f"Peak: {best / 1e9:,.0f} GFLOP/s. {line['tokens_per_step'] * len(line['step_seconds']) / seconds:,.0f} tokens/s.",
        "",
        "| operation | rows x inputs x outputs | calls a step | share of time | GFLOP/s | of the peak |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for entry in operations:
        rate = entry["flops"] / entry["seconds"] * at_once
        product = " x ".join(map(str, entry["product"])) if any(entry["product"]) else ""
        rates = f"{rate / 1e9:,.0f} | {rate / best:.0%}" if rate else " | "
        calls = entry["calls"] / len(line["step_seconds"])
        rows.append(f"| {entry['name']} | {product} | {calls:g} | {entry['seconds'] / at_once / seconds:.1%} | {rates} |")
    counted = sum(entry["seconds"] for entry in operations) / at_once
    rows.append(f"| everything else | | | {1 - counted / seconds:.1%} | | |")
    flops = sum(entry["flops"] for entry in operations)
    rows.append(f"| whole step | | | 100% | {flops / seconds / 1e9:,.0f} | {flops / seconds / best:.0%} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
