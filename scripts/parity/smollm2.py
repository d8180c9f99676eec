"""What transformers computes for SmolLM2-135M-Instruct: the golden values that our numbers are checked against.

    python scripts/parity/smollm2.py "$(scripts/smollm2.sh)" crates/interchange/tests/gguf

Needs torch, transformers, accelerate, gguf, numpy (versions are written into the file). The passage is
smollm2_passage.txt of that folder, 4500 characters of Moby-Dick; its first 512 tokens without a token of the beginning.
smollm2.json is written beside it.

--compare FILE prints the distance to another file with the same keys.
"""

import argparse
import hashlib
import json
import pathlib
import re
import struct

import gguf
import torch
import transformers
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

BOOKS = pathlib.Path(__file__).parents[2] / "datasets" / "books"
LENGTH = 512


def mean_nll(model, ids, first=None):
    """Mean negative log-likelihood in nats of tokens 1.. of `ids`, each given all before it."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, :-1].double()
    losses = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
    return losses[: first - 1 if first else None].mean().item()


def chunk_norms(model, ids, projection):
    """Mean 2-norm over heads and positions of each pair (i, i + d/2) before rotation: one row per layer."""
    rows, handles = [], []

    def hook(_module, _inputs, output):
        heads = output[0].double().view(len(ids), -1, model.config.head_dim)
        first, second = heads.chunk(2, dim=-1)
        rows.append(torch.hypot(first, second).mean(dim=(0, 1)).tolist())

    for layer in model.model.layers:
        handles.append(getattr(layer.self_attn, projection).register_forward_hook(hook))
    with torch.no_grad():
        model(torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    return rows


def largest_logits(model, ids, positions, count):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, :positions]
    return logits.topk(count).indices.tolist()


def interleave(model):
    """Puts the rows of q and k back into the order of the file: pairs side by side. Wrong for this model."""
    dim = model.config.head_dim
    for layer in model.model.layers:
        for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
            weight = projection.weight.data
            halves = weight.view(-1, 2, dim // 2, weight.shape[1])
            projection.weight.data = halves.transpose(1, 2).reshape(weight.shape).contiguous()


def check_weights(model, path):
    """The dequantized weights are those of llama.cpp's Python package, bit for bit."""
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    ours = {
        "blk.0.attn_v.weight": model.model.layers[0].self_attn.v_proj.weight,
        "blk.29.ffn_down.weight": model.model.layers[29].mlp.down_proj.weight,
        "token_embd.weight": model.model.embed_tokens.weight,
    }
    for name, weight in ours.items():
        tensor = tensors[name]
        expected = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
        assert torch.equal(weight.detach(), expected.view(weight.shape)), name


def digest(ids):
    return {"count": len(ids), "sha256": hashlib.sha256(struct.pack(f"<{len(ids)}I", *ids)).hexdigest()}


def tokenized_books(tokenizer):
    """The first 200 000 characters of each book: all of them, and the lines without a digit."""
    books = {}
    for path in sorted(BOOKS.glob("*.txt")):
        text = path.read_text(encoding="utf-8")[:200_000]
        without = "".join(line for line in text.splitlines(keepends=True) if not re.search(r"\d", line))
        books[path.name] = {
            "all": digest(tokenizer.encode(text, add_special_tokens=False).ids),
            "without_digits": digest(tokenizer.encode(without, add_special_tokens=False).ids),
        }
    return books


def book_passages(model, tokenizer):
    """Mean NLL of 512 tokens from character 60 000 of some books."""
    passages = {}
    for name in ("austen-pride_prejudice.txt", "bible-kjv.txt", "melville-moby_dick.txt"):
        text = (BOOKS / name).read_text(encoding="utf-8")[60_000:64_500]
        ids = tokenizer.encode(text, add_special_tokens=False).ids[:LENGTH]
        passages[name] = mean_nll(model, ids)
    return passages


def distance(ours, theirs):
    ours, theirs = torch.tensor(ours).double(), torch.tensor(theirs).double()
    return ((ours - theirs).abs() / theirs.abs()).max().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf")
    parser.add_argument("folder")
    parser.add_argument("--compare")
    arguments = parser.parse_args()
    path, folder = pathlib.Path(arguments.gguf), pathlib.Path(arguments.folder)
    torch.set_grad_enabled(False)

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).backend_tokenizer
    theirs = tokenized_books(tokenizer)
    # transformers cuts text as GPT-2 does whatever `tokenizer.ggml.pre` says; "smollm" also takes digits one by one.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    books = tokenized_books(tokenizer)
    for name, book in books.items():
        same = {part: book[part] == theirs[name][part] for part in book}
        print(f"{name:32} {book['all']['count']:6} tokens; same ids without the digit rule: {same}")
        assert same["without_digits"]
    ids = tokenizer.encode((folder / "smollm2_passage.txt").read_text(encoding="utf-8"), add_special_tokens=False).ids
    ids = ids[:LENGTH]

    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    model.eval()
    check_weights(model, str(path))
    golden = {
        "made_by": f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, f32",
        "gguf_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "ids": ids,
        "mean_nll": mean_nll(model, ids),
        "mean_nll_first256": mean_nll(model, ids, 256),
        "mean_q_norm_per_freq": [[round(x, 6) for x in row] for row in chunk_norms(model, ids, "q_proj")],
        "mean_k_norm_per_freq": [[round(x, 6) for x in row] for row in chunk_norms(model, ids, "k_proj")],
        "top3_of_first8_positions": largest_logits(model, ids, 8, 3),
        "mean_nll_of_books": book_passages(model, tokenizer),
        "tokens_of_books": books,
    }
    print(f"mean NLL {golden['mean_nll']:.7f}, first 256 tokens {golden['mean_nll_first256']:.7f}")
    print("books", golden["mean_nll_of_books"])
    if arguments.compare:
        other = json.loads(pathlib.Path(arguments.compare).read_text())
        print("same ids:", other["ids"] == ids, "same top 3:", other["top3_of_first8_positions"] == golden["top3_of_first8_positions"])
        for key in ("mean_nll", "mean_nll_first256", "mean_q_norm_per_freq", "mean_k_norm_per_freq"):
            print(f"{key}: largest relative difference {distance(golden[key], other[key]):.2e}")
        print("first 256 as 255 or 256 losses:", mean_nll(model, ids, 256), mean_nll(model, ids, 257))
    interleave(model)
    golden["mean_nll_interleaved"] = mean_nll(model, ids)
    print(f"rows of q and k left as in the file: mean NLL {golden['mean_nll_interleaved']:.5f}")
    text = json.dumps(golden, indent=1)
    text = re.sub(r"\[[^\[\]]*\]", lambda numbers: re.sub(r"\s+", " ", numbers.group()), text)
    (folder / "smollm2.json").write_text(text + "\n")


main()
