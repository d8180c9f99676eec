"""Compares the trainer's speed with PyTorch's: alternates the two, prints ratios, keeps raw results.

Needs Python 3.11 and nothing else; PyTorch lives in the environment that setup.sh makes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comparison import Line, Round, Unequal, header, in_words, row
from host import Host, kind_of, peer_device

HERE = Path(__file__).resolve().parent
PEER = HERE / "peer" / "train.py"
# Both sides are told, so that neither relies on its own default.
LEARNING_RATE = "0.001"


@dataclass(frozen=True)
class Case:
    """One row of the table: a `[[cases]]` of shapes.toml."""

    model: str
    mode: str
    device: str
    dtype: str
    length: int
    batch: int
    warmup: int
    steps: int

    def name(self) -> str:
        return f"{self.model}, {self.mode}, T={self.length}, B={self.batch}, {self.dtype}"

    def arguments(self, device: str) -> list[str]:
        """What a side is called with, apart from files."""
        values = {
            "batch": self.batch,
            "length": self.length,
            "steps": self.steps,
            "warmup": self.warmup,
            "device": device,
            "dtype": self.dtype,
            "learning-rate": LEARNING_RATE,
        }
        arguments = [text for key, value in values.items() for text in (f"--{key}", str(value))]
        return [*arguments, "--evaluate"] if self.mode == "evaluate" else arguments


class Failed(Exception):
    """A side did not run, did not end in time, or did not print what it should."""


class TookTooLong(Failed):
    """A side was stopped."""


def main() -> int:
    options = parse()
    described = tomllib.loads(options.shapes.read_text(encoding="utf-8"))
    cases = [Case(**case) for case in described["cases"]]
    cases = [case for case in cases if is_wanted(case, options)]
    if not cases:
        print("no case is left of those in the file", file=sys.stderr)
        return 2
    host = Host.here()
    stem = f"{datetime.date.today().isoformat()}-{host.kind(options.device)}"
    options.results.mkdir(parents=True, exist_ok=True)
    raw = options.results / f"{stem}.jsonl"
    rows, failed = [], False
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            try:
                files = prepare(case, described["models"][case.model], options, Path(folder))
                rounds = measure(case, files, options, host, raw)
                fell_back = not options.no_compile and any(r.pytorch.get("compile") is False for r in rounds)
                eager = " (PyTorch without torch.compile)" if fell_back else ""
                rows.append(row(case.name() + eager, rounds))
                print(rows[-1], flush=True)
            except (Failed, Unequal) as error:
                failed = True
                rows.append(f"| {case.name()} | failed: {error} |")
                print(f"FAILED {case.name()}: {error}", file=sys.stderr, flush=True)
    table = write_table(options.results / f"{stem}.md", rows, host, options)
    print(f"\n{table}\nraw lines: {raw}")
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", required=True, help="command of our side, without the arguments of a case")
    parser.add_argument("--python", default=default_python(), help="Python of the PyTorch side")
    parser.add_argument("--no-compile", action="store_true", help="PyTorch without torch.compile")
    parser.add_argument("--eager-fallback", action="store_true", help="and if torch.compile fails, without it, said so")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="of our side, as `trainer --device`; default: cpu")
    parser.add_argument("--peer-device", choices=["cpu", "cuda"], help="of the PyTorch side; default: the same kind")
    parser.add_argument("--ours-seconds", type=float, help="the longest a run of our side may take")
    parser.add_argument("--peer-seconds", type=float, help="the longest a run of the PyTorch side may take")
    parser.add_argument("--mode", choices=["train", "evaluate"], action="append", help="default: both")
    parser.add_argument("--model", action="append", help="only this model; may be repeated")
    parser.add_argument("--length", type=int, action="append", help="only this length; may be repeated")
    parser.add_argument("--threads", type=int, default=Host.here().cores)
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--weights", type=Path, help="folder of MODEL.safetensors; default: the peer makes them")
    weights.add_argument("--own-weights", action="store_true", help="each side draws its own; losses are not compared")
    parser.add_argument("--shapes", type=Path, default=HERE / "shapes.toml")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    options.peer_device = options.peer_device or peer_device(options.device)
    options.device_shared = kind_of(options.device) == options.peer_device
    return options


def default_python() -> str:
    """Of the environment that setup.sh makes."""
    return str(Path(os.environ.get("BENCH_VENV", HERE / ".venv")) / "bin" / "python")


def is_wanted(case: Case, options: argparse.Namespace) -> bool:
    return (
        case.device == kind_of(options.device)
        and case.mode in (options.mode or [case.mode])
        and case.model in (options.model or [case.model])
        and case.length in (options.length or [case.length])
    )


def prepare(case: Case, model: dict[str, Any], options: argparse.Namespace, folder: Path) -> list[str]:
    """Writes the shape, finds or makes the weights; returns the arguments that name the files."""
    shape = folder / f"{case.model}.json"
    shape.write_text(json.dumps(model), encoding="utf-8")
    arguments = ["--shape", str(shape)]
    if options.own_weights:
        return arguments
    weights = (options.weights or folder) / f"{case.model}.safetensors"
    if not options.weights and not weights.exists():
        execute([options.python, str(PEER), *arguments, "--save-weights", str(weights)])
    return [*arguments, "--weights", str(weights)]


def measure(case: Case, files: list[str], options: argparse.Namespace, host: Host, raw: Path) -> list[Round]:
    """All rounds of a case. Who goes first changes from round to round: a machine that warms up or
    slows down within a round then favours neither side."""
    threads = ["--threads", str(options.threads)]
    ours = [*shlex.split(options.ours), *files, *case.arguments(options.device), *threads]
    pytorch = [options.python, str(PEER), *files, *case.arguments(options.peer_device), *threads]
    sides = {
        "ours": lambda: result("ours", ours, options.ours_seconds),
        "pytorch": lambda: peer_result(pytorch, options),
    }
    rounds = []
    for index in range(options.rounds):
        order = ["ours", "pytorch"] if index % 2 == 0 else ["pytorch", "ours"]
        lines, failures = {}, []
        for side in order:
            load = os.getloadavg()[0]
            # A side that fails does not take the other's number with it.
            try:
                lines[side] = sides[side]()
            except Failed as failure:
                failures.append(failure)
                continue
            about = {"case": case.name(), "round": index, "first": order[0], "load_before": load}
            append(raw, {**stamp(host), **about, **lines[side]})
            print(f"{case.name()}, round {index}: {side} {in_words(lines[side])}", file=sys.stderr, flush=True)
        if failures:
            raise Failed("; ".join(map(str, failures)))
        rounds.append(Round(**lines))
        rounds[-1].check(not options.own_weights, options.device_shared)
    return rounds


def peer_result(command: list[str], options: argparse.Namespace) -> Line:
    """PyTorch's line. torch.compile needs a C compiler and Python's headers, which a machine may lack."""
    if not options.no_compile:
        try:
            return result("pytorch", [*command, "--compile"], options.peer_seconds)
        except TookTooLong:
            raise
        except Failed as failure:
            if not options.eager_fallback:
                raise
            print(f"PyTorch without torch.compile, because: {failure}", file=sys.stderr, flush=True)
    return result("pytorch", [*command, "--no-compile"], options.peer_seconds)


def result(side: str, command: list[str], seconds: float | None = None) -> Line:
    """The JSON line of one run: the last line it prints."""
    printed = execute(command, seconds).strip().splitlines()
    try:
        line = json.loads(printed[-1])
    except (IndexError, ValueError) as error:
        raise Failed(f"{side} printed no line of JSON") from error
    if not isinstance(line, dict) or line.get("side") != side:
        raise Failed(f'{side} printed a line without "side": "{side}"')
    return line


def execute(command: list[str], seconds: float | None = None) -> str:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise TookTooLong(f"not done after {seconds:.0f} s: {shlex.join(command)}") from error
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Failed(f"exit status {done.returncode} of {shlex.join(command)}")
    return done.stdout


def stamp(host: Host) -> dict[str, Any]:
    return {"date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "host": host.to_dict()}


def append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def write_table(path: Path, rows: list[str], host: Host, options: argparse.Namespace) -> str:
    """A session's table, replacing the one of an earlier session on the same day."""
    machine = host.gpu if options.peer_device == "cuda" else f"{host.cpu}, {host.cores} cores"
    peer = "without torch.compile" if options.no_compile else "with torch.compile"
    losses = "weights were not shared: losses not compared" if options.own_weights else "weights shared"
    about = (
        f"{machine}. {options.threads} threads, {options.rounds} rounds, PyTorch {peer}, {losses}. "
        f"Commit {host.commit}. Ratio: tokens/s of ours over PyTorch's, median of the rounds."
    )
    table = "\n".join([about, "", header(), *rows, ""])
    path.write_text(table, encoding="utf-8")
    return table


if __name__ == "__main__":
    sys.exit(main())
