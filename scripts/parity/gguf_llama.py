"""A tiny random llama model as a GGUF file of llama.cpp's Python package, and transformers' logits for it.

    python scripts/parity/gguf_llama.py crates/interchange/tests/gguf

Writes tiny.gguf, whose matrices have all storage types that we read, and expected.json. Needs torch, transformers,
accelerate, gguf, numpy.
"""

import json
import pathlib
import sys

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from transformers import AutoModelForCausalLM

HIDDEN, HEADS, KV_HEADS, HEAD_DIM, INTERMEDIATE = 32, 4, 2, 64, 256
# One type each of `q k v output gate up down`; blocks of 256 fit where a row has 256 numbers.
LAYERS = [
    [Type.Q8_0, Type.F16, Type.Q4_0, Type.Q4_K, Type.Q4_1, Type.BF16, Type.Q6_K],
    [Type.Q4_1, Type.Q4_0, Type.Q8_0, Type.Q6_K, Type.F32, Type.F16, Type.Q4_K],
]
SHAPES = {
    "attn_q": (HEADS * HEAD_DIM, HIDDEN),
    "attn_k": (KV_HEADS * HEAD_DIM, HIDDEN),
    "attn_v": (KV_HEADS * HEAD_DIM, HIDDEN),
    "attn_output": (HIDDEN, HEADS * HEAD_DIM),
    "ffn_gate": (INTERMEDIATE, HIDDEN),
    "ffn_up": (INTERMEDIATE, HIDDEN),
    "ffn_down": (HIDDEN, INTERMEDIATE),
}
MERGES = ["Ġ t", "h e", "Ġt he"]
# The printable characters of ASCII stand for themselves in byte-level BPE, space and newline for two others.
TOKENS = [chr(byte) for byte in range(33, 127)] + ["Ġ", "Ċ", "Ġt", "he", "Ġthe", "<s>"]
SEQUENCES, LENGTH, POSITIONS = 2, 24, 6


def k_blocks(rows, columns, kind, generator):
    """Random blocks of a type that the package cannot quantize to, with values of about 0.2."""
    _, width = gguf.GGML_QUANT_SIZES[kind]
    blocks = generator.integers(0, 256, (rows * columns // 256, width), dtype=np.uint8)
    scales = {Type.Q4_K: [(0, 6e-4), (2, 4.5e-3)], Type.Q6_K: [(208, 1.5e-4)]}[kind]
    for at, scale in scales:
        blocks[:, at : at + 2] = np.frombuffer(np.float16(scale).tobytes(), np.uint8)
    return blocks.reshape(rows, -1)


def matrix(name, kind, generator):
    rows, columns = SHAPES[name]
    if kind in (Type.Q4_K, Type.Q6_K):
        return k_blocks(rows, columns, kind, generator)
    values = generator.standard_normal((rows, columns)).astype(np.float32) * 0.3
    return gguf.quants.quantize(values, kind)


def write(path, generator):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(len(LAYERS))
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_rope_freq_base(500.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([1] * (len(TOKENS) - 1) + [3])
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(len(TOKENS) - 1)
    writer.add_add_bos_token(False)

    def plain(name, values, kind):
        data = gguf.quants.quantize(values.astype(np.float32), kind)
        writer.add_tensor(name, data, raw_dtype=kind)

    def gain():
        return 1 + 0.1 * generator.standard_normal(HIDDEN)

    plain("token_embd.weight", generator.standard_normal((len(TOKENS), HIDDEN)), Type.Q8_0)
    plain("output.weight", generator.standard_normal((len(TOKENS), HIDDEN)) * 0.3, Type.Q4_0)
    plain("output_norm.weight", gain(), Type.F32)
    for number, kinds in enumerate(LAYERS):
        plain(f"blk.{number}.attn_norm.weight", gain(), Type.F32)
        plain(f"blk.{number}.ffn_norm.weight", gain(), Type.F32)
        for name, kind in zip(SHAPES, kinds):
            writer.add_tensor(f"blk.{number}.{name}.weight", matrix(name, kind, generator), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(20261125)
    write(folder / "tiny.gguf", generator)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file="tiny.gguf", dtype=torch.float32)
    model.eval()
    print(model.config.head_dim, model.config.rope_parameters, model.config.tie_word_embeddings)
    tokens = generator.integers(0, len(TOKENS), (SEQUENCES, LENGTH)).tolist()
    with torch.no_grad():
        logits = model(torch.tensor(tokens)).logits[:, -POSITIONS:]
    print("logits from", logits.min().item(), "to", logits.max().item())
    rounded = [[[round(x, 6) for x in row] for row in rows] for rows in logits.double().tolist()]
    expected = {"tokens": tokens, "positions": POSITIONS, "logits": rounded}
    (folder / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


main(sys.argv[1])
