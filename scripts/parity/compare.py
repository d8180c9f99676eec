"""Our numbers against transformers: see scripts/parity.sh.

Logits may differ by 1e-4, a perplexity by 1e-5 of itself.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import models

LOGITS = 1e-4
PERPLEXITY = 1e-5
transformers.logging.disable_progress_bar()

# Runs of ours: name, `--set` arguments, and the family that they are exported as.
ENCODING = "model.layers.global.encoding"
LLAMA3 = "{kind='rope_llama3', original_max_position_embeddings=16}"
YARN = "{kind='rope_yarn', original_max_position_embeddings=16}"
RUNS = [
    ("rope", [f"{ENCODING}={{kind='rope'}}"], "Gemma"),
    ("prope_0.75", [f"{ENCODING}={{kind='prope', fraction=0.75}}"], "Gemma"),
    ("prope_0.25", [f"{ENCODING}={{kind='prope', fraction=0.25}}"], "Gemma"),
    ("nope", [f"{ENCODING}={{kind='nope'}}"], "Gemma"),
    ("prope_reversed", [f"{ENCODING}={{kind='prope_reversed', fraction=0.75}}"], "Gemma"),
    ("rope_partial", [f"{ENCODING}={{kind='rope_partial', fraction=0.75}}"], "Gemma"),
    ("rope_linear", [f"{ENCODING}={{kind='rope_linear'}}"], "Gemma"),
    ("rope_llama3", [f"{ENCODING}={LLAMA3}"], "Gemma"),
    ("rope_yarn", [f"{ENCODING}={YARN}"], "Gemma"),
    ("untied SwiGLU", ["model.tie_word_embeddings=false", "model.hidden_activation=silu"], "Gemma"),
    (
        "llama",
        [
            "model.norm_gain=plain",
            "model.scale_embeddings=false",
            "model.hidden_activation=silu",
            "model.tie_word_embeddings=false",
            "model.num_key_value_heads=2",
        ],
        "Llama",
    ),
    (
        "gemma2",
        [
            "model.post_norms=true",
            "model.attn_logit_softcapping=2.0",
            "model.final_logit_softcapping=3.0",
            "model.query_scale=0.5",
            "model.num_hidden_layers=4",
            "model.pattern=['local', 'global']",
            "model.layers.local={sliding_window=7, encoding={kind='prope', fraction=0.75}}",
        ],
        "Gemma2",
    ),
    (
        "gemma3",
        [
            "model.preset=micro",
            "model.post_norms=true",
            "model.qk_norm=true",
            "model.num_hidden_layers=4",
            "model.pattern=['local', 'local', 'local', 'global']",
            "model.layers.local={sliding_window=7, encoding={kind='rope', theta=100}}",
        ],
        "Gemma3",
    ),
    (
        "gemma4",
        [
            "model.norm_gain=plain",
            "model.post_norms=true",
            "model.qk_norm=true",
            "model.v_norm=true",
            "model.query_scale=1.0",
            "model.final_logit_softcapping=3.0",
            "model.pattern=['local', 'global']",
            "model.layers.local={sliding_window=7, encoding={kind='rope'}}",
            "model.layers.global={head_dim=32, num_key_value_heads=1, keys_are_values=true}",
        ],
        "Gemma4",
    ),
]
# Encodings that Hugging Face's architectures cannot express.
REFUSED = ["alibi", "sinusoidal", "nope_scaled"]


class Comparison:
    """Runs the trainer in a temporary folder and keeps the results."""

    def __init__(self, trainer, folder):
        self.trainer, self.folder, self.rows = trainer, Path(folder), []

    def call(self, *arguments, fails=False):
        result = subprocess.run([self.trainer, *map(str, arguments)], capture_output=True, text=True)
        if (result.returncode != 0) != fails:
            sys.exit(f"{' '.join(map(str, arguments))}: status {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout + result.stderr

    def logits(self, model, sequences):
        tokens, out = self.folder / "tokens.txt", self.folder / "logits.safetensors"
        tokens.write_text("\n".join(" ".join(map(str, sequence)) for sequence in sequences) + "\n")
        self.call("logits", model, "--tokens", tokens, "--out", out, "--device", "cpu")
        ours = load_file(out)
        return np.stack([ours[f"logits.{number}"] for number in range(len(sequences))])

    def note(self, name, direction, what, difference, limit):
        passed = bool(difference <= limit)
        self.rows.append((name, direction, what, difference, passed))
        print(f"{'ok    ' if passed else 'FAILED'} {name:24} {direction:12} {what} {difference:.1e}", flush=True)


def read_theirs(comparison):
    """Models made by transformers, read by us: whole, in shards, in bf16."""
    for name in models.MODELS:
        for form in ("f32", "bf16 in shards"):
            folder = comparison.folder / f"theirs-{name}-{form}".replace(" ", "-")
            model = models.make(name, seed=len(name))
            if form == "f32":
                model.save_pretrained(folder)
            else:
                model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="4KB")
            theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
            sequences = models.tokens(theirs.config.vocab_size, length=57)
            expected = models.logits(theirs, sequences).numpy()
            ours = comparison.logits(f"hf:{folder}", sequences)
            difference = np.abs(ours - expected).max()
            comparison.note(f"{name}, {form}", "theirs, ours", "largest difference of logits", difference, LOGITS)


def train(comparison, name, settings, steps):
    runs = comparison.folder / "runs"
    arguments = ["configs/micro.toml", "--device", "cpu", "--name", name.replace(" ", "_")]
    for setting in [f"run.directory='{runs}'", f"train.steps={steps}", "train.warmup_steps=2", *settings]:
        arguments += ["--set", setting]
    comparison.call(*arguments)
    return runs / name.replace(" ", "_")


def read_ours(comparison):
    """Runs of ours, exported, read by transformers."""
    for name, settings, family in RUNS:
        run = train(comparison, name, settings, steps=10)
        out = comparison.folder / f"ours-{run.name}"
        said = comparison.call("export", run, out)
        assert f"as {family};" in said, said
        theirs = AutoModelForCausalLM.from_pretrained(out, attn_implementation="eager").eval()
        assert theirs.dtype == torch.float32, theirs.dtype
        sequences = [[256, *row] for row in models.tokens(256, length=57)]
        expected = models.logits(theirs, sequences).numpy()
        difference = np.abs(comparison.logits(run, sequences) - expected).max()
        comparison.note(f"{name} as {family}", "ours, theirs", "largest difference of logits", difference, LOGITS)
        if "longrope" not in (out / "config.json").read_text():
            back = np.abs(comparison.logits(f"hf:{out}", sequences) - comparison.logits(run, sequences)).max()
            comparison.note(f"{name} as {family}", "ours, ours", "largest difference of logits", back, 0.0)
    for kind in REFUSED:
        run = train(comparison, kind, [f"{ENCODING}={{kind='{kind}'}}"], steps=2)
        said = comparison.call("export", run, comparison.folder / f"refused-{kind}", fails=True)
        assert "no Hugging Face architecture computes this model" in said, said


def perplexity(comparison):
    """A trained run's perplexity by the protocol of docs/perplexity.md, once by us, once with transformers."""
    settings = [f"{ENCODING}={{kind='prope', fraction=0.75}}", "data.tokenizer='datasets/tokenizers/bpe2k.json'"]
    run = train(comparison, "trained", settings, steps=200)
    out = comparison.folder / "ours-trained"
    comparison.call("export", run, out)
    books = sorted(Path("datasets/books").glob("**/*.txt"))[:2]
    corpus = comparison.folder / "text"
    corpus.mkdir()
    for book in books:
        (corpus / book.name).write_text(book.read_text(encoding="utf-8")[:200_000], encoding="utf-8")
    result = comparison.folder / "eval.json"
    contexts, windows = [32, 64], 4
    arguments = ["--contexts", ",".join(map(str, contexts)), "--out", result, "--device", "cpu"]
    arguments += ["--set", f"evaluation.windows_per_document={windows}"]
    arguments += ["--set", f"data.cache='{comparison.folder / 'cache'}'"]
    comparison.call("eval", f"hf:{out}", "--corpus", corpus, *arguments)
    ours = json.loads(result.read_text())
    scored = ours["parameters"]["scored_tokens"]

    model = AutoModelForCausalLM.from_pretrained(out).eval()
    tokenizer = AutoTokenizer.from_pretrained(out)
    longest = max(contexts)
    for context, row in zip(contexts, ours["contexts"]):
        losses = []
        for book in sorted(corpus.glob("*.txt")):
            ids = tokenizer(book.read_text(encoding="utf-8"))["input_ids"]
            assert ids[0] == tokenizer.bos_token_id, "the exported tokenizer begins with BOS"
            ids = ids[1:]
            available = len(ids) // longest
            taken = min(available, windows)
            for number in range(taken):
                end = ((2 * number + 1) * available // (2 * taken) + 1) * longest
                targets = torch.tensor(ids[end - context : end])
                inputs = torch.cat([torch.tensor([tokenizer.bos_token_id]), targets[:-1]])
                with torch.no_grad():
                    logits = model(inputs[None]).logits[0]
                losses.append(torch.nn.functional.cross_entropy(logits, targets, reduction="none")[-scored:].double())
        theirs = torch.cat(losses).mean().exp().item()
        difference = abs(row["perplexity"] / theirs - 1)
        name = f"trained run, context {context}"
        comparison.note(name, "ours, theirs", f"perplexity {row['perplexity']:.4f}, relative difference", difference, PERPLEXITY)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trainer")
    parser.add_argument("--log", help="write the table as Markdown")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(arguments.trainer, folder)
        read_theirs(comparison)
        read_ours(comparison)
        perplexity(comparison)
    about = f"{datetime.date.today()}, transformers {transformers.__version__}, torch {torch.__version__}"
    failed = [row for row in comparison.rows if not row[-1]]
    print(f"{len(comparison.rows) - len(failed)} of {len(comparison.rows)} comparisons agree ({about})")
    if arguments.log:
        lines = [f"`make parity`, {about}.", "", "| model | weights from, read by | difference |", "|---|---|---:|"]
        lines += [f"| {name} | {direction} | {difference:.1e} |" for name, direction, _, difference, _ in comparison.rows]
        Path(arguments.log).write_text("\n".join(lines) + "\n")
    sys.exit(1 if failed else 0)


main()
