"""Samples of the task `k_back` (docs/tasks.md) as text for `trainer anatomy --text`.

    python3 experiments/anatomy/k_back_samples.py > samples.txt

For models with the byte tokenizer: id 6 is the marker, content is drawn from the ids 8 to 127 (a text file is UTF-8). A sample
is 64 bytes with 8 markers, each followed by the byte that stood 4 before it, so that windows of 64 tokens are samples.
"""

import random
import sys

MARKER, FIRST_CONTENT, END_CONTENT = 6, 8, 128
LENGTH, QUERIES, BACK = 64, 8, 4


def sample(draws):
    block = BACK + 2  # so many tokens, the marker among them, and the answer
    spare = LENGTH - QUERIES * block
    is_block = [True] * QUERIES + [False] * spare
    draws.shuffle(is_block)
    tokens = []
    for block_here in is_block:
        if not block_here:
            tokens.append(draws.randrange(FIRST_CONTENT, END_CONTENT))
            continue
        content = [draws.randrange(FIRST_CONTENT, END_CONTENT) for _ in range(BACK)]
        # Four before the marker stands the first of them.
        tokens += content + [MARKER, content[0]]
    return bytes(tokens)


draws = random.Random(1)
sys.stdout.buffer.write(b"".join(sample(draws) for _ in range(64)))
