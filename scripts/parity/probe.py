"""Fixed sequences of token ids, and what a model of transformers computes for them."""

import torch


def tokens(vocab_size, length=23, sequences=2):
    """Fixed token ids `[sequences, length]`."""
    return [[(t * t * 7 + t * 13 + b * 29 + 3) % vocab_size for t in range(length)] for b in range(sequences)]


def logits(model, sequences):
    """Logits `[sequences, length, vocabulary]` as float32."""
    with torch.no_grad():
        return model(torch.tensor(sequences), use_cache=False).logits.float()
