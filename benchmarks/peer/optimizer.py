"""The trainer's AdamW: decoupled decay of matrices only, gradients clipped by their global norm."""

from __future__ import annotations

import torch
from torch import nn

BETAS = (0.9, 0.95)
EPSILON = 1e-8
WEIGHT_DECAY = 0.1
MAX_GRAD_NORM = 1.0


def adamw(model: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """PyTorch's AdamW, one fused kernel over all parameters, with the trainer's constants."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=BETAS, eps=EPSILON, fused=True)


def clip(model: nn.Module) -> None:
    """Scales all gradients together so that their norm is at most `MAX_GRAD_NORM`."""
    nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
