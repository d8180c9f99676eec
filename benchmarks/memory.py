"""Peak memory against the length of a sequence: the trainer's, with and without recomputing, and PyTorch's.

Each number is of a process of its own that does two steps (the second with the optimizer's state in
place), one sequence each. Needs the environment of setup.sh.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from host import Host, kind_of, peer_device
from run import HERE, PEER, Failed, append, default_python, result, stamp

# Columns of the table: name, mode, side, arguments that side gets on top.
COLUMNS = (
    ("training, ours", "train", "ours", []),
    ("ours, recomputing", "train", "ours", ["--recompute"]),
    ("PyTorch", "train", "pytorch", []),
    ("evaluation, ours", "evaluate", "ours", []),
    ("PyTorch", "evaluate", "pytorch", []),
)


def main() -> int:
    options = parse()
    models = tomllib.loads((HERE / "shapes.toml").read_text(encoding="utf-8"))["models"]
    host = Host.here()
    raw = options.results / f"memory-{host.kind(options.device)}.jsonl"
    options.results.mkdir(parents=True, exist_ok=True)
    columns = [column for column in COLUMNS if is_wanted(column, options)]
    print(f"| {options.model}, T | {' | '.join(column[0] for column in columns)} |")
    print(f"|---:|{'---:|' * len(columns)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        shape = Path(folder) / "shape.json"
        shape.write_text(json.dumps(models[options.model]), encoding="utf-8")
        for length in options.length:
            cells = [measure(column, length, shape, options, host, raw) for column in columns]
            print(f"| {length:,} | {' | '.join(cells)} |", flush=True)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", required=True, help="command of our side, without the arguments of a case")
    parser.add_argument("--python", default=default_python(), help="Python of the PyTorch side")
    parser.add_argument("--device", default="cpu", help="of our side, as `trainer --device`; PyTorch's: the same kind")
    parser.add_argument("--mode", choices=["train", "evaluate"], action="append", help="default: both")
    parser.add_argument("--no-peer", action="store_true", help="our side alone")
    parser.add_argument("--model", default="small")
    parser.add_argument("--length", type=int, nargs="+", default=[512, 2048, 8192, 32768])
    parser.add_argument("--threads", type=int, default=Host.here().cores)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser.parse_args()


def is_wanted(column: tuple[str, str, str, list[str]], options: argparse.Namespace) -> bool:
    _, mode, side, _ = column
    return mode in (options.mode or [mode]) and not (options.no_peer and side == "pytorch")


def measure(
    column: tuple[str, str, str, list[str]],
    length: int,
    shape: Path,
    options: argparse.Namespace,
    host: Host,
    raw: Path,
) -> str:
    """A cell: the peak in MiB, or why there is none."""
    _, mode, side, extra = column
    command = {
        "ours": shlex.split(options.ours),
        "pytorch": [options.python, str(PEER)],
    }[side]
    device = {"ours": options.device, "pytorch": peer_device(options.device)}[side]
    precision = "bf16" if kind_of(options.device) == "cuda" and mode == "train" else "f32"
    values: dict[str, Any] = {
        "shape": shape,
        "batch": 1,
        "length": length,
        "steps": 1,
        "warmup": 1,
        "device": device,
        "dtype": precision,
        "threads": options.threads,
    }
    arguments = [text for key, value in values.items() for text in (f"--{key}", str(value))]
    if mode == "evaluate":
        arguments.append("--evaluate")
    try:
        line = result(side, [*command, *arguments, *extra])
    except Failed as error:
        print(error, file=sys.stderr)
        return "failed"
    about = {"memory_of": mode, "extra": extra, "length": length, "load_before": os.getloadavg()[0]}
    append(raw, {**stamp(host), **about, **line})
    peak = line["peak_rss_bytes" if device == "cpu" else "peak_device_bytes"]
    print(f"T={length}, {side}, {mode} {extra}: {peak} bytes", file=sys.stderr, flush=True)
    return "-" if peak is None else f"{peak / 2**20:,.0f} MiB"


if __name__ == "__main__":
    sys.exit(main())
