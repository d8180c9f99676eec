"""Writes golden.json: values the tests of this crate compare with, made without this crate.

    python -m venv venv && venv/bin/pip install numpy transformers torch
    venv/bin/python make_golden.py

Three independent sources:
* numpy, in float64, from the published formulas (every row);
* Hugging Face transformers, by calling its own functions (columns named `huggingface`; their
  frequencies and slopes are computed in float32, their rotation in the dtype it is given);
* mpmath at 50 digits, for cosines and sines at large positions (installed with torch).
"""

import json
import platform
import struct
from pathlib import Path

import mpmath
import numpy as np
import torch
import transformers
from transformers import GPTNeoXConfig, LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXRotaryEmbedding
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

SPECTRA = [
    ("rope", 256, 1e4, None),
    ("rope", 256, 5e5, None),
    ("rope", 8, 1e4, None),
    ("prope", 256, 1e4, 1.0),
    ("prope", 256, 1e4, 0.75),
    ("prope", 256, 1e4, 0.5),
    ("prope", 256, 1e4, 0.25),
    ("prope", 256, 1e4, 0.0),
    ("prope", 64, 1e4, 0.75),
    ("prope", 32, 1e4, 0.75),
    ("prope", 512, 1e6, 0.25),
    ("prope", 256, 5e5, 1.0),
    ("prope", 10, 1e4, 0.75),  # 7.5 // 2: rotated coordinates are floored to a whole pair
    ("nope", 64, None, None),
    ("prope_reversed", 256, 1e4, 0.75),
    ("prope_reversed", 64, 1e4, 0.25),
    ("rope_partial", 256, 1e4, 0.75),
    ("rope_partial", 128, 1e4, 0.5),
    ("rope_partial", 64, 1e4, 0.0),
]

# Stretched contexts: (kind, head_dim, parameters), the last by transformers' names.
STRETCHED = [
    ("rope_linear", 256, {"theta": 1e6, "factor": 8.0}),
    ("rope_linear", 64, {"theta": 1e4, "factor": 1.0}),
    ("rope_llama3", 128, {"theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}),
    ("rope_llama3", 64, {"theta": 5e5, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}),
    ("rope_llama3", 16, {"theta": 1e4, "factor": 4.0, "low_freq_factor": 2.0, "high_freq_factor": 3.0, "original_max_position_embeddings": 64}),
    ("rope_yarn", 128, {"theta": 1e4, "factor": 16.0, "beta_fast": 32, "beta_slow": 1, "original_max_position_embeddings": 4096}),
    ("rope_yarn", 64, {"theta": 1e6, "factor": 4.0, "beta_fast": 16, "beta_slow": 2, "original_max_position_embeddings": 32768}),
    ("rope_yarn", 8, {"theta": 1e4, "factor": 1.0, "beta_fast": 32, "beta_slow": 1, "original_max_position_embeddings": 128}),
]


def frequencies(kind, d, theta, p):
    """The paper's form: timescales with the full head in the exponent, infinite where nothing turns."""
    if kind == "nope":
        return np.zeros(d // 2)
    if kind == "rope":
        return 1.0 / theta ** (2.0 * np.arange(d // 2) / d)
    turning = int(p * d // 2)
    still = d // 2 - turning
    if kind == "prope":
        timescale = theta ** (2.0 * np.arange(turning) / d)
        timescale = np.pad(timescale, (0, still), constant_values=np.inf)
    elif kind == "prope_reversed":
        timescale = theta ** (2.0 * np.arange(still, d // 2) / d)
        timescale = np.pad(timescale, (still, 0), constant_values=np.inf)
    elif kind == "rope_partial":
        timescale = theta ** (np.arange(0, 2 * turning, 2) / max(2 * turning, 1))
        timescale = np.pad(timescale, (0, still), constant_values=np.inf)
    return 1.0 / timescale


def huggingface_frequencies(kind, d, theta, p):
    """(rule, inverse frequencies) from transformers, where it has a rule for this kind."""
    if kind in ("rope", "prope"):
        parameters = {"rope_type": "proportional", "rope_theta": theta, "partial_rotary_factor": 1.0 if p is None else p}
        config = LlamaConfig(hidden_size=4 * d, num_attention_heads=4, head_dim=d, rope_parameters=parameters)
        inv_freq, attention_factor = ROPE_INIT_FUNCTIONS["proportional"](config)
        assert attention_factor == 1.0
        return "proportional", inv_freq
    if kind == "rope_partial" and p > 0:
        parameters = {"rope_type": "default", "rope_theta": theta, "partial_rotary_factor": p}
        config = GPTNeoXConfig(hidden_size=4 * d, num_attention_heads=4, rope_parameters=parameters)
        inv_freq, _ = GPTNeoXRotaryEmbedding.compute_default_rope_parameters(config)
        return "gpt_neox", inv_freq
    return None, None


def stretched_frequencies(kind, d, theta, factor, **parameters):
    """(frequencies, amplitude) by the published formulas."""
    plain = frequencies("rope", d, theta, None)
    if kind == "rope_linear":
        return plain / factor, 1.0
    original = parameters["original_max_position_embeddings"]
    if kind == "rope_llama3":  # Meta's apply_scaling, in wavelengths
        low, high = parameters["low_freq_factor"], parameters["high_freq_factor"]
        wavelength = 2 * np.pi / plain
        smooth = (original / wavelength - low) / (high - low)
        between = (1 - smooth) * plain / factor + smooth * plain
        return np.where(wavelength < original / high, plain, np.where(wavelength > original / low, plain / factor, between)), 1.0
    bounds = [d * np.log(original / (turns * 2 * np.pi)) / (2 * np.log(theta)) for turns in (parameters["beta_fast"], parameters["beta_slow"])]
    first, last = max(np.floor(bounds[0]), 0), min(np.ceil(bounds[1]), d - 1)
    ramp = np.clip((np.arange(d // 2) - first) / (last - first if last > first else 0.001), 0, 1)
    return plain / factor * ramp + plain * (1 - ramp), 0.1 * np.log(factor) + 1


def stretched_row(kind, d, parameters):
    values, amplitude = stretched_frequencies(kind, d, **parameters)
    rule = kind.removeprefix("rope_")
    theirs = {"rope_type": rule, "rope_theta": parameters["theta"], **{k: v for k, v in parameters.items() if k != "theta"}}
    config = LlamaConfig(hidden_size=4 * d, num_attention_heads=4, head_dim=d, max_position_embeddings=131072, rope_parameters=theirs)
    inv_freq, attention_factor = ROPE_INIT_FUNCTIONS[rule](config)
    assert abs(attention_factor - amplitude) < 1e-12
    return {
        "kind": kind,
        "head_dim": d,
        "parameters": parameters,
        "fingerprint": fingerprint(values, amplitude),
        "frequencies": values.tolist(),
        "huggingface_rule": rule,
        "huggingface": short_floats(inv_freq),
    }


def fingerprint(values, amplitude=1.0):
    """64-bit FNV-1a over the float32 bytes of the amplitude and the frequencies."""
    digest = 0xCBF29CE484222325
    for byte in struct.pack(f"<{len(values) + 1}f", amplitude, *values):
        digest = ((digest ^ byte) * 0x100000001B3) % 2**64
    return f"{digest:016x}"


def spectrum_row(kind, d, theta, p):
    values = frequencies(kind, d, theta, p)
    rule, inv_freq = huggingface_frequencies(kind, d, theta, p)
    parameters = {"theta": theta, "fraction": p}
    return {
        "kind": kind,
        "head_dim": d,
        "parameters": {name: value for name, value in parameters.items() if value is not None},
        "fingerprint": fingerprint(values),
        "frequencies": values.tolist(),
        "huggingface_rule": rule,
        "huggingface": None if rule is None else short_floats(inv_freq),
    }


def short_floats(tensor):
    """float32 values in their shortest decimal form."""
    return [float(str(value)) for value in tensor.numpy().astype(np.float32)]


def rotated_pairs_rows():
    fractions = [0.0, 0.01, 0.1, 0.29, 0.3, 1 / 3, 0.57, 0.58, 0.6, 0.7, 0.75, 0.9, 0.99, 1.0]
    sizes = [2, 6, 10, 50, 64, 96, 100, 128, 256, 512]
    return [{"fraction": p, "head_dim": d, "rotated": int(p * d // 2)} for p in fractions for d in sizes]


def rotation_row(p, position):
    """One vector rotated as in the paper's listing, and by transformers (float64)."""
    d, theta = 16, 100.0
    x = np.round(np.sin(1.0 + np.arange(d)) * 3.0, 6)
    angle = position * frequencies("prope", d, theta, p)
    first, second = np.split(x, 2)
    cos, sin = np.cos(angle), np.sin(angle)
    rotated = np.concatenate([first * cos - second * sin, second * cos + first * sin])

    emb = torch.tensor(np.concatenate([angle, angle]))[None, None]
    query = torch.tensor(x)[None, None, None]
    theirs, _ = apply_rotary_pos_emb(query, query, emb.cos(), emb.sin())
    return {
        "theta": theta,
        "fraction": p,
        "position": position,
        "x": x.tolist(),
        "rotated": rotated.tolist(),
        "huggingface": theirs.flatten().tolist(),
    }


def large_angle_row(pair, position):
    d, theta = 64, 10000
    mpmath.mp.dps = 50
    angle = position * mpmath.power(theta, -mpmath.mpf(2 * pair) / d)
    return {
        "head_dim": d,
        "theta": theta,
        "pair": pair,
        "position": position,
        "cos": float(mpmath.cos(angle)),
        "sin": float(mpmath.sin(angle)),
    }


def slopes(heads):
    """The rule of the ALiBi authors, recursive as they state it."""
    if heads & (heads - 1) == 0:
        return [2.0 ** (-8.0 * (h + 1) / heads) for h in range(heads)]
    below = 2 ** (heads.bit_length() - 1)
    return slopes(below) + slopes(2 * below)[0::2][: heads - below]


def alibi_row(heads):
    mask = torch.ones(1, 2, dtype=torch.int64)
    theirs = build_alibi_tensor(mask, heads, torch.float32)[:, 0, 1]
    return {"num_heads": heads, "slopes": slopes(heads), "huggingface": short_floats(theirs)}


def sinusoidal_row(size, theta, position):
    angle = position / theta ** (np.arange(0, size, 2) / size)
    vector = np.zeros(size)
    vector[0::2], vector[1::2] = np.sin(angle), np.cos(angle)
    return {"hidden_size": size, "theta": theta, "position": position, "vector": vector.tolist()}


def main():
    sections = {
        "spectra": [spectrum_row(*case) for case in SPECTRA] + [stretched_row(*case) for case in STRETCHED],
        "rotated_pairs": rotated_pairs_rows(),
        "rotations": [rotation_row(p, n) for p in (1.0, 0.5, 0.0) for n in (0, 1, 7, 1000)],
        "large_angles": [large_angle_row(i, n) for i in (0, 1, 5, 13, 31) for n in (1, 8191, 32768, 100_000)],
        "alibi": [alibi_row(heads) for heads in (1, 2, 3, 6, 8, 12, 16, 20)],
        "sinusoidal": [sinusoidal_row(8, 1e4, n) for n in (0, 1, 50, 4096)] + [sinusoidal_row(6, 500.0, 3)],
    }
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "mpmath": mpmath.__version__,
        "transformers": transformers.__version__,
        "torch": torch.__version__,
    }
    made_by = "make_golden.py; columns named `huggingface` come from transformers, large_angles from mpmath, the rest from numpy"
    parts = [f'"made_by": {json.dumps(made_by)}', f'"versions": {json.dumps(versions)}']
    for name, rows in sections.items():  # one row a line keeps differences readable
        parts.append(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    Path(__file__).with_name("golden.json").write_text(text)


main()
