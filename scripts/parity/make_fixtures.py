"""Writes the golden fixtures of crates/interchange/tests/fixtures: models by transformers, and their logits.

    PARITY_VENV/bin/python scripts/parity/make_fixtures.py

One folder a model, as `save_pretrained` writes it, and `expected.json`: token ids and the logits of the
last positions. `make test` compares ours with them without Python.
"""

import json
import shutil
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM

import models
import probe

FIXTURES = Path(__file__).resolve().parents[2] / "crates/interchange/tests/fixtures"
# Positions compared, from the end: every one of them sees beyond the windows.
POSITIONS = 4
SHARDED = "llama_tied"
# Most are stored as bf16, which keeps them small and their values exact; logits are those of the stored
# weights, computed in float32.
FORMATS = {"llama3": torch.float32, "llama": torch.float16}
LEFT_OUT = {"gemma_mqa", "gemma_nope", "llama_linear", "llama_yarn"}  # `make parity` has them


def write(name):
    folder = FIXTURES / name
    model = models.make(name)
    model = model.to(FORMATS.get(name, torch.bfloat16))  # its tables of frequencies too: not used again
    sizes = {"max_shard_size": "4KB"} if name == SHARDED else {}
    model.save_pretrained(folder, **sizes)
    (folder / "generation_config.json").unlink(missing_ok=True)
    sequences = probe.tokens(model.config.vocab_size)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    logits = probe.logits(model, sequences)[:, -POSITIONS:]
    rows = [[[float(f"{value:.7g}") for value in row] for row in sequence] for sequence in logits.tolist()]
    made_by = f"transformers {transformers.__version__}, torch {torch.__version__}"
    expected = {"made_by": made_by, "tokens": sequences, "positions": POSITIONS, "logits": rows}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


def main():
    shutil.rmtree(FIXTURES, ignore_errors=True)
    for name in models.MODELS.keys() - LEFT_OUT:
        write(name)


main()
