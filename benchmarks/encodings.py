"""What each positional encoding costs in speed: the trainer's steps with one model, encodings taking turns.

The first encoding is the reference of the ratios. Needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import shlex
import statistics
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from comparison import Line, in_words, tokens_per_second
from host import Host
from run import HERE, append, result, stamp

# As under `[model.layers.global]` of a config.
ENCODINGS: dict[str, dict[str, Any]] = {
    "nope": {"kind": "nope"},
    "rope": {"kind": "rope", "theta": 10000.0},
    "prope": {"kind": "prope", "theta": 10000.0, "fraction": 0.75},
    "alibi": {"kind": "alibi"},
}


def main() -> int:
    options = parse()
    model = tomllib.loads((HERE / "shapes.toml").read_text(encoding="utf-8"))["models"][options.model]
    host = Host.here()
    options.results.mkdir(parents=True, exist_ok=True)
    raw = options.results / f"encodings-{host.kind(options.device)}.jsonl"
    rounds: dict[str, list[Line]] = {name: [] for name in options.encoding}
    with tempfile.TemporaryDirectory() as folder:
        for index in range(options.rounds):
            load = os.getloadavg()[0]
            # Who goes first changes from round to round.
            for name in options.encoding if index % 2 == 0 else reversed(options.encoding):
                line = result("ours", command(options, write_shape(model, name, Path(folder))))
                rounds[name].append(line)
                about = {"encoding": name, "model": options.model, "round": index, "load_before": load}
                append(raw, {**stamp(host), **about, **line})
                print(f"{name}, round {index}: {in_words(line)}", file=sys.stderr, flush=True)
    print(table(rounds))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", required=True, help="command of our side, without the arguments of a case")
    parser.add_argument("--encoding", nargs="+", choices=list(ENCODINGS), default=list(ENCODINGS))
    parser.add_argument("--device", default="cpu", help="as `trainer --device`; default: cpu")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--model", default="small")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser.parse_args()


def write_shape(model: dict[str, Any], encoding: str, folder: Path) -> Path:
    shape = copy.deepcopy(model)
    for layer in shape["layers"].values():
        layer["encoding"] = ENCODINGS[encoding]
    path = folder / f"{encoding}.json"
    path.write_text(json.dumps(shape), encoding="utf-8")
    return path


def command(options: argparse.Namespace, shape: Path) -> list[str]:
    values = {
        "shape": shape,
        "batch": options.batch,
        "length": options.length,
        "steps": options.steps,
        "warmup": options.warmup,
        "device": options.device,
        "dtype": options.dtype,
    }
    return [*shlex.split(options.ours), *(text for key, value in values.items() for text in (f"--{key}", str(value)))]


def table(rounds: dict[str, list[Line]]) -> str:
    """Speeds, and ratios within each round to the first encoding."""
    reference = next(iter(rounds))
    rows = [
        f"| encoding | tokens/s | to {reference} | min..max | first loss |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, lines in rounds.items():
        speed = statistics.median(tokens_per_second(line) for line in lines)
        pairs = zip(lines, rounds[reference], strict=True)
        ratios = [tokens_per_second(line) / tokens_per_second(other) for line, other in pairs]
        spread = f"{min(ratios):.3f}..{max(ratios):.3f}"
        loss = lines[0]["losses"][0]
        rows.append(f"| {name} | {speed:,.0f} | {statistics.median(ratios):.3f} | {spread} | {loss:.5f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
