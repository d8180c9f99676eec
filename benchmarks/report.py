"""Small readers of what `trainer speed`, run.py and CubeCL write, for scripts/gpu_report.sh.

Needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import sqlite3
import sys
import tempfile
import tomllib
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from comparison import LOSS_TOLERANCE, Line, in_words, relative, tokens_per_second

# A line of CubeCL's profiling log: `| 12.3µs     | name of the kernel`. Its summaries begin with the name instead.
MEASURED = re.compile(r"^\| (?P<number>[0-9.]+)(?P<unit>ns|µs|ms|s) +\| (?P<name>.+)$")
SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
# The first part of the namespace of tuning results in CubeCL's database; compiled kernels have others.
TUNING = "autotune/"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(function: Any, *names: str) -> argparse.ArgumentParser:
        added = commands.add_parser(function.__name__, help=function.__doc__)
        added.set_defaults(function=function)
        for name in names:
            added.add_argument(name, type=Path if name.isupper() else str)
        return added

    command(shape, "SHAPES", "model", "OUT")
    command(speed, "LINE")
    command(take, "FOLDER", "OUT").add_argument("--part", default="")
    command(ratio, "OURS", "PYTORCH")
    command(against, "LINE", "REFERENCE")
    command(profile, "LOG")
    command(cache, "DATABASE")
    command(cache_copy, "DATABASE", "OUT").add_argument("--without", choices=["tuning", "kernels"], required=True)
    options = vars(parser.parse_args())
    function = options.pop("function")
    return function(**{name.lower(): value for name, value in options.items()}) or 0


def shape(shapes: Path, model: str, out: Path) -> None:
    """Writes a model of a file of shapes as JSON."""
    models = tomllib.loads(shapes.read_text(encoding="utf-8"))["models"]
    out.write_text(json.dumps(models[model]), encoding="utf-8")


def read(path: Path) -> Line:
    """A side's line: the last one of the file."""
    return json.loads(path.read_text(encoding="utf-8").strip().splitlines()[-1])


def speed(line: Path) -> int:
    """Prints a side's speed; fails if a loss is not finite."""
    found = read(line)
    print(in_words(found))
    return 0 if all(math.isfinite(loss) for loss in found["losses"]) else 1


def take(folder: Path, out: Path, part: str) -> None:
    """Writes the last line of each side in a folder of run.py's raw lines to OUT/SIDE.json."""
    lines = [json.loads(text) for file in sorted(folder.glob("*.jsonl")) for text in file.open(encoding="utf-8")]
    for side in ("ours", "pytorch"):
        of_side = [line for line in lines if line.get("side") == side and part in line.get("case", "")]
        if of_side:
            (out / f"{side}.json").write_text(json.dumps(of_side[-1]), encoding="utf-8")


def ratio(ours: Path, pytorch: Path) -> None:
    """Prints what the two sides came to, whichever are there, and their ratio."""
    lines = [read(path) if path.exists() else None for path in (ours, pytorch)]
    names = ("ours", "PyTorch")
    words = [f"{name}: {in_words(line)}" if line else f"{name}: nothing" for name, line in zip(names, lines, strict=True)]
    if all(lines):
        speeds = [tokens_per_second(line) for line in lines if line]
        first = relative(lines[0]["losses"][0], lines[1]["losses"][0])
        words.insert(0, f"ratio {speeds[0] / speeds[1]:.3f}, first losses apart by {first:.1e}")
    print("; ".join(words))


def against(line: Path, reference: Path) -> int:
    """Compares speed and losses of two runs of our side; fails if the losses do not agree."""
    found, expected = read(line), read(reference)
    gain = tokens_per_second(found) / tokens_per_second(expected)
    pairs = list(zip(found["losses"], expected["losses"], strict=False))
    apart = [relative(a, b) for a, b in pairs]
    print(f"{gain:.3f} times the speed; losses apart by {apart[0]:.1e} at first, {max(apart):.1e} at most; {in_words(found)}")
    # Written so that a NaN fails.
    return 0 if apart[0] <= LOSS_TOLERANCE else 1


def profile(log: Path) -> int:
    """Sums CubeCL's profiling log up by kernel."""
    seconds: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if match := MEASURED.match(line):
                name = match["name"].strip().rstrip("|").strip()
                seconds[name] += float(match["number"]) * SECONDS[match["unit"]]
                calls[name] += 1
    total = sum(seconds.values())
    if not total:
        print("no kernel was measured")
        return 1
    print("| kernel | share | ms | calls | µs a call |\n|---|---:|---:|---:|---:|")
    by_time = sorted(seconds, key=lambda name: -seconds[name])
    for name in by_time:
        of_call = seconds[name] / calls[name] * 1e6
        # A bar in a name would end the cell.
        shown = name.replace("|", "/")
        print(f"| {shown} | {seconds[name] / total:.1%} | {seconds[name] * 1e3:.2f} | {calls[name]} | {of_call:.1f} |")
    top = "; ".join(f"{name.replace('|', '/')[:60]} {seconds[name] / total:.0%}" for name in by_time[:3])
    print(f"\n{len(seconds)} kernels, {sum(calls.values())} launches, {total * 1e3:.1f} ms; {top}")
    return 0


def opened(database: Path, folder: str) -> sqlite3.Connection:
    """A copy of the database, opened: with what its write-ahead log holds, and without touching the original."""
    copy = Path(folder) / "copy.db"
    shutil.copyfile(database, copy)
    log = database.with_name(database.name + "-wal")
    if log.exists():
        shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
    return sqlite3.connect(copy)


def cache(database: Path) -> None:
    """Prints what CubeCL's database holds."""
    with tempfile.TemporaryDirectory() as folder, closing(opened(database, folder)) as connection:
        rows = connection.execute(
            "SELECT namespace LIKE ?, COUNT(*), SUM(LENGTH(key) + LENGTH(value)) FROM entries GROUP BY 1", (f"{TUNING}%",)
        ).fetchall()
    counts = {bool(is_tuning): (count, size) for is_tuning, count, size in rows}
    parts = []
    for is_tuning, name in ((True, "tuning results"), (False, "compiled kernels and others")):
        count, size = counts.get(is_tuning, (0, 0))
        parts.append(f"{count} {name} ({size / 2**20:.1f} MiB)")
    print(", ".join(parts))


def cache_copy(database: Path, out: Path, without: str) -> None:
    """Copies CubeCL's database without the tuning results, or without the compiled kernels."""
    with tempfile.TemporaryDirectory() as folder:
        with closing(opened(database, folder)) as connection:
            unwanted = "LIKE" if without == "tuning" else "NOT LIKE"
            connection.execute(f"DELETE FROM entries WHERE namespace {unwanted} ?", (f"{TUNING}%",))
            connection.commit()
            connection.execute("VACUUM INTO ?", (str(Path(folder) / "small.db"),))
        shutil.move(Path(folder) / "small.db", out)


if __name__ == "__main__":
    sys.exit(main())
