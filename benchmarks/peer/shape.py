"""The shape of a decoder, read from the trainer's own description of it."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What this peer computes. A shape that asks for anything else is refused: a benchmark of two
# different models is worth nothing.
FIXED = {
    "norm_gain": "one_plus",
    "qk_norm": False,
    "v_norm": False,
    "post_norms": False,
    "query_scale": None,
    "attn_logit_softcapping": None,
    "final_logit_softcapping": None,
    "scale_embeddings": True,
}
FIXED_IN_LAYER = {
    "sliding_window": None,
    "head_dim": None,
    "num_key_value_heads": None,
    "keys_are_values": False,
}


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder whose layers are all of one kind. Names are those of the trainer's config."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    rms_norm_eps: float
    encoding: str
    theta: float
    fraction: float

    @classmethod
    def load(cls, path: Path) -> Shape:
        """Reads a JSON file with the fields of `[model]`, or the `[model]` of a run's `config.toml`.

        Raises ValueError when the file describes something that this peer does not compute.
        """
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            return cls.from_dict(tomllib.loads(text)["model"])
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, model: dict[str, Any]) -> Shape:
        """The shape of a `[model]` table. Raises ValueError as `load` does, KeyError on a missing field."""
        _require(model, FIXED, "")
        kinds = set(model["pattern"])
        if len(kinds) != 1:
            raise ValueError(f"pattern: the peer has one kind of layer, not {sorted(kinds)}")
        kind = kinds.pop()
        layer = model["layers"][kind]
        _require(layer, FIXED_IN_LAYER, f"layers.{kind}.")
        encoding = layer["encoding"]
        fractions = {"rope": 1.0, "nope": 0.0, "prope": encoding.get("fraction", 0.75)}
        if encoding["kind"] not in fractions:
            raise ValueError(f"layers.{kind}.encoding: the peer has no `{encoding['kind']}`")
        return cls(
            vocab_size=model["vocab_size"],
            hidden_size=model["hidden_size"],
            num_hidden_layers=model["num_hidden_layers"],
            num_attention_heads=model["num_attention_heads"],
            num_key_value_heads=model["num_key_value_heads"],
            head_dim=model["head_dim"],
            intermediate_size=model["intermediate_size"],
            rms_norm_eps=model["rms_norm_eps"],
            encoding=encoding["kind"],
            theta=encoding.get("theta", 10_000.0),
            fraction=fractions[encoding["kind"]],
        )

    def frequencies(self) -> list[float]:
        """Radians per token of each of the `head_dim/2` pairs of coordinates, fastest first."""
        rotated = int(self.fraction * self.head_dim // 2)
        pairs = range(self.head_dim // 2)
        return [self.theta ** -(2 * i / self.head_dim) if i < rotated else 0.0 for i in pairs]

    def num_parameters(self) -> int:
        """Trained numbers, the tied embedding counted once."""
        query = self.num_attention_heads * self.head_dim
        key = self.num_key_value_heads * self.head_dim
        attention = self.hidden_size * (2 * query + 2 * key)
        feed_forward = 3 * self.hidden_size * self.intermediate_size
        block = attention + feed_forward + 2 * self.hidden_size
        return self.vocab_size * self.hidden_size + self.num_hidden_layers * block + self.hidden_size

    def training_flops_per_token(self, length: int) -> float:
        """Operations of one training step per token: 6N and causal attention.

        A query sees (length + 1) / 2 keys in the mean, at 12 operations a key and unit of width.
        """
        width = self.num_attention_heads * self.head_dim
        attention = self.num_hidden_layers * 12.0 * width * (length + 1) / 2
        return 6.0 * self.num_parameters() + attention


def _require(table: dict[str, Any], fixed: dict[str, Any], prefix: str) -> None:
    for key, value in fixed.items():
        found = table.get(key)
        if found != value:
            raise ValueError(f"{prefix}{key}: the peer has {value!r}, not {found!r}")
