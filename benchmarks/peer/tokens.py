"""Tokens to train on: from a file, or from a generator that both sides of the benchmark share."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# Knuth's MMIX generator, x' = A x + C modulo 2^64.
A = 6364136223846793005
C = 1442695040888963407
MODULUS = 1 << 64
SEED = 1
# Its low bits have short periods; a token comes from the 31 high ones.
SHIFT = 33


class Stream(Protocol):
    """A sequence of tokens that is read once, from its begin."""

    def take(self, count: int) -> NDArray[np.int64]:
        """The next `count` tokens."""


class SyntheticTokens:
    """Token n is `(x_n >> 33) % V` with `x_0 = 1` and `n` from 1 on: the seed itself is not used."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.state = SEED

    def take(self, count: int) -> NDArray[np.int64]:
        states = _states(self.state, count)
        self.state = int(states[-1])
        return ((states >> np.uint64(SHIFT)) % np.uint64(self.vocab_size)).astype(np.int64)


class FileTokens:
    """Tokens of a file without header, little endian: u16 where every id of the vocabulary fits, else u32."""

    def __init__(self, path: Path, vocab_size: int) -> None:
        self.tokens = np.fromfile(path, dtype="<u2" if vocab_size <= 1 << 16 else "<u4")
        self.position = 0
        if self.tokens.size and int(self.tokens.max()) >= vocab_size:
            raise ValueError(f"{path}: token {self.tokens.max()} is outside a vocabulary of {vocab_size}")

    def take(self, count: int) -> NDArray[np.int64]:
        """Raises ValueError when fewer are left."""
        taken = self.tokens[self.position : self.position + count]
        if taken.size < count:
            raise ValueError(f"the token file ends after {self.tokens.size} tokens")
        self.position += count
        return taken.astype(np.int64)


def windows(stream: Stream, batch: int, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The next batch: inputs and targets, each `[B, T]`, from B stretches of T + 1 tokens in a row."""
    rows = stream.take(batch * (length + 1)).reshape(batch, length + 1)
    return np.ascontiguousarray(rows[:, :-1]), np.ascontiguousarray(rows[:, 1:])


def _states(state: int, count: int) -> NDArray[np.uint64]:
    """The next `count` states after `state`, by doubling: k steps at once are `x -> A^k x + C_k`."""
    states = np.empty(count, dtype=np.uint64)
    states[0] = (A * state + C) % MODULUS
    done, factor, addend = 1, A, C  # `done` steps at once
    while done < count:
        more = min(done, count - done)
        # Unsigned arrays wrap modulo 2^64, which is the modulus wanted.
        states[done : done + more] = states[:more] * np.uint64(factor) + np.uint64(addend)
        addend = (factor * addend + addend) % MODULUS
        factor = factor * factor % MODULUS
        done *= 2
    return states
