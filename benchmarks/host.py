"""The machine and the checkout that a measurement was made on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Host:
    """What a number depends on besides the code."""

    cpu: str
    cores: int
    gpu: str | None
    system: str
    python: str
    commit: str

    @classmethod
    def here(cls) -> Host:
        """This machine. `cores` counts those this process may use; `gpu` is the first one."""
        gpus = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
        return cls(
            cpu=_cpu(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            gpu=gpus.splitlines()[0] if gpus else None,
            system=platform.platform(),
            python=platform.python_version(),
            commit=_commit(),
        )

    def kind(self, device: str) -> str:
        """A name for files: the GPU for `cuda`, else the CPU and its number of cores."""
        name = self.gpu or "unknown gpu" if kind_of(device) == "cuda" else f"{self.cpu} {self.cores} cores"
        name = re.sub(r"\([RTMCrtmc]+\)", "", name)
        return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def kind_of(device: str) -> str:
    """What `trainer --device` names without its number: `cuda` and `cuda:0` are one kind."""
    return device.partition(":")[0]


def peer_device(device: str) -> str:
    """PyTorch's device beside a device of ours. It has no wgpu: the CPU stands in."""
    return "cuda" if kind_of(device) == "cuda" else "cpu"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    """Hash of the checkout, with a mark if files differ from it."""
    # A bundle (scripts/gpu_bundle.sh) has no history but this file, and may lie in another checkout.
    try:
        return (Path(__file__).resolve().parents[1] / "COMMIT").read_text(encoding="utf-8").strip()
    except OSError:
        pass
    # Without locks: asking must not write the index of a checkout at work.
    folder = ["git", "--no-optional-locks", "-C", str(Path(__file__).parent)]
    commit = _output([*folder, "rev-parse", "HEAD"]) or "unknown"
    changed = _output([*folder, "status", "--porcelain", "--untracked-files=no"])
    return f"{commit}-dirty" if changed else commit


def _output(command: list[str]) -> str:
    """What a command prints, nothing if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
