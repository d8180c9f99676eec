"""Two sides of one case, round by round: whether they did the same work, and how fast."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

from host import kind_of

# Relative. Sums in another order differ by 1e-6 in f32; bf16 keeps 8 bits of each product's inputs,
# and the mean over the tokens of a step hides most of that.
LOSS_TOLERANCE = 1e-3
FLOPS_TOLERANCE = 1e-6

Line = dict[str, Any]


class Unequal(Exception):
    """The sides did not do the same work: their times cannot be compared."""


@dataclass(frozen=True)
class Round:
    """What both sides printed in one round."""

    ours: Line
    pytorch: Line

    def ratio(self) -> float:
        """Tokens per second of ours over PyTorch's: above 1 ours is faster."""
        return tokens_per_second(self.ours) / tokens_per_second(self.pytorch)

    def loss_difference(self) -> float:
        """Largest relative difference of the losses over all steps, warm-up included."""
        pairs = zip(self.ours["losses"], self.pytorch["losses"], strict=True)
        return max(relative(ours, theirs) for ours, theirs in pairs)

    def check(self, weights_shared: bool, device_shared: bool = True) -> None:
        """Raises Unequal unless both sides report the same work and, from shared weights, the same
        first loss. PyTorch does not have all of our devices: then `device_shared` is False."""
        for key in ("mode", "dtype", "threads", "parameters", "tokens_per_step"):
            self._same(key, self.ours[key] == self.pytorch[key])
        kinds = {kind_of(line["device"]) for line in (self.ours, self.pytorch)}
        self._same("device", len(kinds) == 1 or not device_shared)
        for key in ("step_seconds", "losses"):
            self._same(f"number of {key}", len(self.ours[key]) == len(self.pytorch[key]), key)
        flops = relative(self.ours["flops_per_token"], self.pytorch["flops_per_token"])
        self._same("flops_per_token", flops <= FLOPS_TOLERANCE)
        first = relative(self.ours["losses"][0], self.pytorch["losses"][0])
        # Written so that a NaN fails.
        if weights_shared and not first <= LOSS_TOLERANCE:
            raise Unequal(
                f"first loss: ours {self.ours['losses'][0]}, PyTorch {self.pytorch['losses'][0]}, "
                f"relative difference {first:.1e} above {LOSS_TOLERANCE:.0e}"
            )

    def _same(self, what: str, same: bool, key: str | None = None) -> None:
        if not same:
            key = key or what
            raise Unequal(f"{what}: ours {self.ours[key]}, PyTorch {self.pytorch[key]}")


def relative(a: float, b: float) -> float:
    """Difference over the second number."""
    return abs(a - b) / abs(b) if b else math.inf if a else 0.0


def tokens_per_second(line: Line) -> float:
    """From the median step: a pause of the machine in one step does not count."""
    return line["tokens_per_step"] / statistics.median(line["step_seconds"])


def in_words(line: Line) -> str:
    """A side's speed and what it came with, for whoever watches."""
    rate = tokens_per_second(line)
    details = [f"{rate:,.0f} tokens/s", f"{rate * line['flops_per_token'] / 1e12:.3g} TFLOP/s"]
    details.append(f"{statistics.median(line['step_seconds']) * 1e3:.1f} ms a step")
    details.append(f"first step after {line['seconds_to_first_step']:.1f} s")
    if line.get("peak_device_bytes"):
        details.append(f"{line['peak_device_bytes'] / 2**30:.1f} GiB of the device")
    if line["side"] == "ours":
        attention = "fused" if line.get("fused_attention") else "written out"
        details.append(f"kernels {line.get('kernels', 'unknown')}, attention {attention}")
    elif not line.get("compile"):
        details.append("without torch.compile")
    details.append(f"losses {line['losses'][0]:.5f} to {line['losses'][-1]:.5f}")
    return ", ".join(details)


def peak_memory(lines: list[Line]) -> str:
    """Median of the peaks: of the device's memory where it has its own, else of the process. The two
    are no substitutes for each other: a side that does not count its device's memory gets a dash."""
    key = "peak_rss_bytes" if lines[0]["device"] == "cpu" else "peak_device_bytes"
    peaks = [line.get(key) for line in lines]
    return "-" if None in peaks else f"{statistics.median(peaks) / 2**20:,.0f} MiB"


COLUMNS = (
    "case | ours, tokens/s | PyTorch, tokens/s | ratio | min..max | peak memory, ours | PyTorch "
    "| first step, ours | PyTorch | losses differ by"
)


def header() -> str:
    """Head of the Markdown table."""
    cells = COLUMNS.split(" | ")
    return f"| {' | '.join(cells)} |\n|---|{'---:|' * (len(cells) - 1)}"


def row(name: str, rounds: list[Round]) -> str:
    """One row: medians over the rounds, and the spread of the ratio."""
    ratios = [r.ratio() for r in rounds]

    def median(of: Any, side: str) -> float:
        return statistics.median(of(getattr(r, side)) for r in rounds)

    sides = ("ours", "pytorch")
    speeds = [f"{median(tokens_per_second, side):,.0f}" for side in sides]
    memory = [peak_memory([getattr(r, side) for r in rounds]) for side in sides]
    first = [f"{median(lambda line: line['seconds_to_first_step'], side):.1f} s" for side in sides]
    cells = [
        name,
        *speeds,
        f"{statistics.median(ratios):.2f}",
        f"{min(ratios):.2f}..{max(ratios):.2f}",
        *memory,
        *first,
        f"{max(r.loss_difference() for r in rounds):.0e}",
    ]
    return f"| {' | '.join(cells)} |"
