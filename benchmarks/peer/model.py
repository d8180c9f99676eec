"""The trainer's decoder in PyTorch: same parameters, same numbers.

B sequences of T tokens, hidden width C, H query heads and K key-value heads of width D, feed-forward
width F, vocabulary V. Weight matrices are `[in, out]`, as in the trainer's checkpoints.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peer.shape import Shape


def rotary_tables(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines for positions `0..length`, each `[T, D/2]`: made in f64, rounded once to f32."""
    positions = np.arange(length, dtype=np.float64)
    angles = np.outer(positions, np.array(shape.frequencies()))  # [T, D/2]
    cos, sin = np.cos(angles), np.sin(angles)
    return torch.from_numpy(cos.astype(np.float32)), torch.from_numpy(sin.astype(np.float32))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates `x` `[B, heads, T, D]` in the half-split pairing (i, i + D/2)."""
    first, second = x.chunk(2, dim=-1)  # [B, heads, T, D/2]
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class RmsNorm(nn.Module):
    """`x / sqrt(mean(x^2) + eps) * (1 + weight)` over the last dimension."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, 1.0 + self.weight, self.eps)


class Attention(nn.Module):
    """Causal grouped-query attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads = shape.num_attention_heads, shape.num_key_value_heads
        self.head_dim = shape.head_dim
        width, query, key = shape.hidden_size, self.heads * self.head_dim, self.kv_heads * self.head_dim
        self.q_proj = _matrix(width, query, width**-0.5)
        self.k_proj = _matrix(width, key, width**-0.5)
        self.v_proj = _matrix(width, key, width**-0.5)
        self.o_proj = _matrix(query, width, _residual_std(query, shape))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, _ = x.shape  # [B, T, C]
        q = rotate(self._split(x @ self.q_proj), cos, sin)  # [B, H, T, D]
        k = rotate(self._split(x @ self.k_proj), cos, sin)  # [B, K, T, D]
        v = self._split(x @ self.v_proj)  # [B, K, T, D]
        mixed = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, enable_gqa=self.kv_heads != self.heads
        )  # [B, H, T, D]
        return mixed.transpose(1, 2).reshape(batch, length, -1) @ self.o_proj

    def _split(self, x: Tensor) -> Tensor:
        """`[B, T, heads*D]` to `[B, heads, T, D]`."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class Mlp(nn.Module):
    """GeGLU: `down(gelu_tanh(gate(x)) * up(x))`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, inner = shape.hidden_size, shape.intermediate_size
        self.gate_proj = _matrix(width, inner, width**-0.5)
        self.up_proj = _matrix(width, inner, width**-0.5)
        self.down_proj = _matrix(inner, width, _residual_std(inner, shape))

    def forward(self, x: Tensor) -> Tensor:
        gate = F.gelu(x @ self.gate_proj, approximate="tanh")  # [B, T, F]
        return (gate * (x @ self.up_proj)) @ self.down_proj


class Block(nn.Module):
    """Attention and feed-forward layer, each behind a norm and added to the residual stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(shape.hidden_size, shape.rms_norm_eps)
        self.self_attn = Attention(shape)
        self.pre_feedforward_layernorm = RmsNorm(shape.hidden_size, shape.rms_norm_eps)
        self.mlp = Mlp(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.pre_feedforward_layernorm(x))


class Decoder(nn.Module):
    """Embedding, blocks, final norm, tied head, for sequences of up to `length` tokens."""

    def __init__(self, shape: Shape, length: int) -> None:
        super().__init__()
        self.embed_tokens = _matrix(shape.vocab_size, shape.hidden_size, shape.hidden_size**-0.5)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.num_hidden_layers))
        self.norm = RmsNorm(shape.hidden_size, shape.rms_norm_eps)
        self.embedding_scale = math.sqrt(shape.hidden_size)
        cos, sin = rotary_tables(shape, length)
        self.register_buffer("cos", cos, persistent=False)  # [T, D/2]
        self.register_buffer("sin", sin, persistent=False)

    def hidden_states(self, tokens: Tensor) -> Tensor:
        """Final hidden states `[B, T, C]` of `tokens` `[B, T]`."""
        length = tokens.shape[1]
        cos, sin = self.cos[:length], self.sin[:length]
        x = F.embedding(tokens, self.embed_tokens) * self.embedding_scale  # [B, T, C]
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Output logits `[.., V]` of hidden states `[.., C]`."""
        return F.linear(hidden, self.embed_tokens)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean negative log-likelihood in nats of `targets` `[B, T]` after `tokens` `[B, T]`."""
        logits = self.logits(self.hidden_states(tokens))  # [B, T, V]
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def chunked_loss(self, tokens: Tensor, targets: Tensor, chunk: int) -> Tensor:
        """`forward`, with the logits of at most `chunk` tokens alive at once. For long sequences
        without gradients: at 32k tokens all logits together would be larger than the model."""
        hidden = self.hidden_states(tokens).flatten(0, 1)  # [B*T, C]
        sums = [
            F.cross_entropy(self.logits(rows), wanted, reduction="sum")
            for rows, wanted in zip(hidden.split(chunk), targets.flatten().split(chunk), strict=True)
        ]
        # In f64: over 32k tokens an f32 sum loses digits that the loss is compared in.
        return torch.stack(sums).double().sum() / targets.numel()


def _matrix(rows: int, columns: int, std: float) -> nn.Parameter:
    """Normals with standard deviation `std`, cut at three of them."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(rows, columns), 0.0, std, -3 * std, 3 * std))


def _residual_std(inputs: int, shape: Shape) -> float:
    """Residual projections shrink with depth, two of them a layer (GPT-2's rule)."""
    return inputs**-0.5 / math.sqrt(2.0 * shape.num_hidden_layers)
