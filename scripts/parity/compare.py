"""Our numbers against transformers, whichever version is installed: see scripts/parity.sh.

Logits may differ by 1e-4, a perplexity by 1e-5 of itself. A version before 5 may stop at an export, and must where the old
keys of a config.json cannot say what the model does.
"""

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

import probe

LOGITS = 1e-4
PERPLEXITY = 1e-5
transformers.logging.disable_progress_bar()

OLD = int(transformers.__version__.split(".")[0]) < 5

# Runs of ours: name, `--set` arguments, the family that they are exported as, and whether transformers 4 can read them.
ENCODING = "model.layers.global.encoding"
LLAMA3 = "{kind='rope_llama3', theta=500000, original_max_position_embeddings=16}"
YARN = "{kind='rope_yarn', original_max_position_embeddings=16}"
LLAMA = [
    "model.norm_gain=plain",
    "model.scale_embeddings=false",
    "model.hidden_activation=silu",
    "model.tie_word_embeddings=false",
    "model.num_key_value_heads=2",
]
GEMMA2 = [
    "model.post_norms=true",
    "model.attn_logit_softcapping=2.0",
    "model.final_logit_softcapping=3.0",
    "model.query_scale=0.5",
    "model.num_hidden_layers=4",
    "model.pattern=['local', 'global']",
]
GEMMA3 = [
    "model.preset=micro",
    "model.post_norms=true",
    "model.qk_norm=true",
    "model.num_hidden_layers=4",
    "model.pattern=['local', 'local', 'local', 'global']",
]
GEMMA4 = [
    "model.norm_gain=plain",
    "model.post_norms=true",
    "model.qk_norm=true",
    "model.v_norm=true",
    "model.query_scale=1.0",
    "model.final_logit_softcapping=3.0",
    "model.pattern=['local', 'global']",
    "model.layers.local={sliding_window=7, encoding={kind='rope'}}",
    "model.layers.global={head_dim=32, num_key_value_heads=1, keys_are_values=true}",
]


def everywhere(encoding):
    return f"{ENCODING}={encoding}"


def local(encoding):
    return f"model.layers.local={{sliding_window=7, encoding={encoding}}}"


ROPE_5E5 = "{kind='rope', theta=500000}"
PROPE = "{kind='prope', fraction=0.75}"
RUNS = [
    ("rope", [everywhere("{kind='rope'}")], "Gemma", True),
    ("rope, base 500,000", [everywhere(ROPE_5E5)], "Gemma", True),
    ("prope_0.75", [everywhere(PROPE)], "Gemma", False),
    ("prope_0.25", [everywhere("{kind='prope', fraction=0.25}")], "Gemma", False),
    ("nope", [everywhere("{kind='nope'}")], "Gemma", False),
    ("prope_reversed", [everywhere("{kind='prope_reversed', fraction=0.75}")], "Gemma", True),
    ("rope_partial", [everywhere("{kind='rope_partial', fraction=0.75}")], "Gemma", True),
    ("rope_linear", [everywhere("{kind='rope_linear', theta=500000}")], "Gemma", True),
    ("rope_llama3", [everywhere(LLAMA3)], "Gemma", True),
    ("rope_yarn", [everywhere(YARN)], "Gemma", True),
    (
        "untied SwiGLU",
        ["model.tie_word_embeddings=false", "model.hidden_activation=silu", everywhere(ROPE_5E5)],
        "Gemma",
        True,
    ),
    ("llama", [*LLAMA, everywhere(ROPE_5E5)], "Llama", True),
    ("llama prope_0.75", [*LLAMA, everywhere(PROPE)], "Llama", False),
    ("llama rope_linear", [*LLAMA, everywhere("{kind='rope_linear'}")], "Llama", True),
    ("llama rope_llama3", [*LLAMA, everywhere(LLAMA3)], "Llama", True),
    ("llama rope_yarn", [*LLAMA, everywhere(YARN)], "Llama", True),
    ("llama rope_partial", [*LLAMA, everywhere("{kind='rope_partial', fraction=0.75}")], "Llama", True),
    ("gemma2", [*GEMMA2, local(ROPE_5E5), everywhere(ROPE_5E5)], "Gemma2", True),
    ("gemma2 prope_0.75", [*GEMMA2, local(PROPE), everywhere(PROPE)], "Gemma2", False),
    ("gemma2 rope_yarn", [*GEMMA2, local(YARN), everywhere(YARN)], "Gemma2", True),
    ("gemma3", [*GEMMA3, local("{kind='rope', theta=100}"), everywhere("{kind='rope_linear', theta=500000}")], "Gemma3", True),
    ("gemma3 global prope_0.75", [*GEMMA3, local("{kind='rope', theta=100}"), everywhere(PROPE)], "Gemma3", False),
    ("gemma3 local prope_0.75", [*GEMMA3, local(PROPE), everywhere(ROPE_5E5)], "Gemma3", False),
    ("gemma3 local rope_linear", [*GEMMA3, local("{kind='rope_linear'}"), everywhere(ROPE_5E5)], "Gemma3", False),
    ("gemma4", GEMMA4, "Gemma4", False),
]
# Encodings that Hugging Face's architectures cannot express.
REFUSED = ["alibi", "sinusoidal", "nope_scaled"]


class Comparison:
    """Runs the trainer in a folder and keeps the results."""

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
    import models  # of families that transformers 4 lacks

    for name in models.MODELS:
        for form in ("f32", "bf16 in shards"):
            folder = comparison.folder / f"theirs-{name}-{form}".replace(" ", "-")
            model = models.make(name, seed=len(name))
            if form == "f32":
                model.save_pretrained(folder)
            else:
                model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="4KB")
            theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
            sequences = probe.tokens(theirs.config.vocab_size, length=57)
            expected = probe.logits(theirs, sequences).numpy()
            ours = comparison.logits(f"hf:{folder}", sequences)
            difference = np.abs(ours - expected).max()
            comparison.note(f"{name}, {form}", "theirs, ours", "largest difference of logits", difference, LOGITS)


def train(comparison, name, settings, steps):
    """A run of `steps` steps, unless the folder has it."""
    runs = comparison.folder / "runs"
    directory = name.replace(" ", "_").replace(",", "")
    if (runs / directory).exists():
        return runs / directory
    arguments = ["configs/micro.toml", "--device", "cpu", "--name", directory]
    for setting in [f"run.directory='{runs}'", f"train.steps={steps}", "train.warmup_steps=2", *settings]:
        arguments += ["--set", setting]
    comparison.call(*arguments)
    return runs / directory


def export(comparison, run, family=""):
    """The folder that `run` is exported to, unless it is there."""
    out = comparison.folder / f"ours-{run.name}"
    if not out.exists():
        said = comparison.call("export", run, out)
        assert f"as {family}" in said, said
    return out


def opened(out):
    """The model in `out`, or why transformers stops at it."""
    try:
        return AutoModelForCausalLM.from_pretrained(out, attn_implementation="eager").eval()
    except (KeyError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def read_ours(comparison):
    """Runs of ours, exported, read by transformers; written by it again, read by us."""
    for name, settings, family, old in RUNS:
        run = train(comparison, name, settings, steps=10)
        out = export(comparison, run, f"{family};")
        theirs, row = opened(out), f"{name} as {family}"
        if OLD and not old:
            stopped = isinstance(theirs, str)
            what = theirs.splitlines()[0][:90] if stopped else "it does not stop"
            comparison.note(row, "ours, theirs", f"stops ({what})", 0.0 if stopped else float("inf"), 0.0)
            continue
        if isinstance(theirs, str):
            comparison.note(row, "ours, theirs", theirs, float("inf"), LOGITS)
            continue
        assert theirs.dtype == torch.float32, theirs.dtype
        sequences = [[256, *row] for row in probe.tokens(256, length=57)]
        ours = comparison.logits(run, sequences)
        difference = np.abs(ours - probe.logits(theirs, sequences).numpy()).max()
        comparison.note(row, "ours, theirs", "largest difference of logits", difference, LOGITS)
        if "longrope" in (out / "config.json").read_text():
            continue
        back = np.abs(comparison.logits(f"hf:{out}", sequences) - ours).max()
        comparison.note(row, "ours, ours", "largest difference of logits", back, 0.0)
        again = comparison.folder / f"again-{run.name}-{transformers.__version__}"
        theirs.save_pretrained(again)
        back = np.abs(comparison.logits(f"hf:{again}", sequences) - ours).max()
        comparison.note(row, "theirs, ours", "written again, largest difference of logits", back, 0.0)


def refuse(comparison):
    """What Hugging Face cannot express."""
    for kind in REFUSED:
        run = train(comparison, kind, [f"{ENCODING}={{kind='{kind}'}}"], steps=2)
        said = comparison.call("export", run, comparison.folder / f"refused-{kind}", fails=True)
        assert "no Hugging Face architecture computes this model" in said, said


def tokenize(comparison):
    """A tokenizer file that cuts, fills and randomises, exported: it must encode as in training, which does none of it."""
    source = json.loads(Path("datasets/tokenizers/bpe2k.json").read_text(encoding="utf-8"))
    plain = Tokenizer.from_str(json.dumps({**source, "truncation": None, "padding": None}))
    changed = Tokenizer.from_str(plain.to_str())
    changed.enable_truncation(16)
    changed.enable_padding(length=32)
    changed = json.loads(changed.to_str())
    changed["model"]["dropout"] = 0.5
    file = comparison.folder / "tokenizer.json"
    file.write_text(json.dumps(changed), encoding="utf-8")
    run = train(comparison, "tokenizer", [everywhere(ROPE_5E5), f"data.tokenizer='{file}'"], steps=2)
    out = export(comparison, run)
    text = sorted(Path("datasets/books").glob("**/*.txt"))[0].read_text(encoding="utf-8")[:20_000]
    expected = plain.encode(text, add_special_tokens=False).ids
    theirs = AutoTokenizer.from_pretrained(out)
    whole = [theirs.bos_token_id, *expected]
    readers = [("transformers", theirs(text)["input_ids"]), ("tokenizers", Tokenizer.from_file(str(out / "tokenizer.json")).encode(text).ids)]
    for reader, found in readers:
        wrong = sum(a != b for a, b in zip(whole, found)) + abs(len(whole) - len(found))
        comparison.note(f"tokenizer, by {reader}", "ours, theirs", f"of {len(whole)} tokens, different", wrong, 0)


def perplexity(comparison):
    """A trained run's perplexity by the protocol of docs/perplexity.md, once by us, once with transformers."""
    settings = [f"{ENCODING}={{kind='prope', fraction=0.75}}", "data.tokenizer='datasets/tokenizers/bpe2k.json'"]
    run = train(comparison, "trained", settings, steps=200)
    out = export(comparison, run)
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
    parser.add_argument("folder", help="where runs and exports go, and are found again")
    parser.add_argument("--exports", action="store_true", help="only what we write, read by transformers")
    parser.add_argument("--log", help="append the table as Markdown")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    comparison = Comparison(arguments.trainer, arguments.folder)
    about = f"{datetime.date.today()}, transformers {transformers.__version__}, torch {torch.__version__}"
    print(about, flush=True)
    if not arguments.exports:
        read_theirs(comparison)
        refuse(comparison)
        perplexity(comparison)
    read_ours(comparison)
    tokenize(comparison)
    failed = [row for row in comparison.rows if not row[-1]]
    print(f"{len(comparison.rows) - len(failed)} of {len(comparison.rows)} comparisons agree ({about})")
    if arguments.log:
        lines = [f"`make parity`, {about}.", "", "| model | weights from, read by | what | difference |", "|---|---|---|---:|"]
        lines += [f"| {name} | {direction} | {what} | {difference:.1e} |" for name, direction, what, difference, _ in comparison.rows]
        with Path(arguments.log).open("a") as log:
            log.write("\n".join(lines) + "\n\n")
    sys.exit(1 if failed else 0)


main()
