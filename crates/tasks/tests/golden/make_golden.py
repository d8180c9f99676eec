"""Writes golden.json: samples of tiny cases, by a second implementation of docs/tasks.md.

    python3 crates/tasks/tests/golden/make_golden.py

Needs Python 3.9 and nothing else. It shares no code with the crate.
"""

import json
import math
from pathlib import Path

MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15
MARKERS = [
    "padding",
    "noise",
    "copy",
    "reverse",
    "selective_copy",
    "previous_token",
    "k_back",
    "first_token",
]


def split_mix_64(x):
    z = (x + STEP) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def mix(parts):
    state = 0
    for part in parts:
        state = split_mix_64(state ^ split_mix_64(part))
    return state


class Random:
    def __init__(self, parts):
        self.state = mix([int.from_bytes(b"tasks", "big"), *parts])

    def next(self):
        output = split_mix_64(self.state)
        self.state = (self.state + STEP) & MASK
        return output

    def below(self, n):
        return (self.next() * n) >> 64

    def unit(self):
        return ((self.next() >> 11) + 0.5) / 2**53

    def choose(self, n, count):
        numbers = list(range(n))
        for i in range(count):
            j = i + self.below(n - i)
            numbers[i], numbers[j] = numbers[j], numbers[i]
        return numbers[:count]


def ids(case):
    vocabulary = case["vocabulary"]
    every = range(vocabulary["first_id"], vocabulary["size"])
    return [i for i in every if i != vocabulary["bos"]]


def marker(case, name):
    return ids(case)[MARKERS.index(name)]


def content(case):
    return ids(case)[len(MARKERS) :]


def draws(case, random, count):
    symbols = content(case)
    return [symbols[random.below(len(symbols))] for _ in range(count)]


def answer(first, last, cell=None, group="answer", alternatives=()):
    """Tokens first..=last, as targets, which are one place earlier."""
    return {
        "group": group,
        "targets": [first - 1, last],
        "cell": cell,
        "alternatives": list(alternatives),
    }


def induction(case, random):
    length = case["length"]
    n = length // 2
    segment = draws(case, random, n)
    padding = [marker(case, "padding")] * (length % 2)
    tokens = segment + segment + padding
    return tokens, [
        answer(2, n, group="first copy"),
        answer(n + 2, 2 * n, {"by": "distance", "distance": n}, group="second copy"),
    ]


def mqar(case, random):
    length, pairs, power = case["length"], case["task"]["pairs"], case["task"]["power"]
    symbols = content(case)
    half = len(symbols) // 2
    keys = random.choose(half, pairs)
    values = random.choose(len(symbols) - half, pairs)
    number = (length - 2 * pairs) // 2
    waiting = [
        (-math.log(random.unit()) / (s + 1) ** (power - 1), s) for s in range(number)
    ]
    waiting.sort()
    dealt = random.choose(pairs, pairs)
    slots = [waiting[draw][1] for draw in dealt]
    others = [s for i, s in enumerate(symbols) if i not in keys]
    tokens = [others[random.below(len(others))] for _ in range(length + 1)]
    answers = []
    for i in range(pairs):
        pair = [symbols[keys[i]], symbols[half + values[i]]]
        shown = 1 + 2 * i
        asked = 1 + 2 * pairs + 2 * slots[i]
        tokens[shown : shown + 2] = pair
        tokens[asked : asked + 2] = pair
        cell = {"by": "pairs", "pairs": pairs, "distance": asked - shown}
        answers.append(answer(asked + 1, asked + 1, cell))
    answers.sort(key=lambda a: a["targets"])
    return tokens[1:], answers


def copying(case, random):
    length, kind = case["length"], case["task"]["kind"]
    items = case["task"].get("items", (length - 1) // 2)
    data = draws(case, random, items)
    source = data
    if kind == "selective_copy":
        room = length - 1 - items
        source = [marker(case, "noise")] * room
        for place, token in zip(sorted(random.choose(room, items)), data):
            source[place] = token
    output = data[::-1] if kind == "reverse" else data
    tokens = source + [marker(case, kind)] + output
    first = len(source) + 2
    cell = {"by": "distance", "distance": items + 1} if kind == "copy" else None
    tokens += [marker(case, "padding")] * (length - len(tokens))
    return tokens, [answer(first, first + items - 1, cell)]


def back(case, random):
    length, task = case["length"], case["task"]
    k, queries = task.get("k", 1), task["queries"]
    tokens = [None] + draws(case, random, length)
    spare = length - queries * (k + 2)
    answers = []
    for earlier, place in enumerate(sorted(random.choose(spare + queries, queries))):
        # A block is k tokens, the marker, the answer; `place` counts earlier blocks as 1.
        begin = 1 + (place - earlier) + earlier * (k + 2)
        tokens[begin + k] = marker(case, task["kind"])
        tokens[begin + k + 1] = tokens[begin]
        answers.append(answer(begin + k + 1, begin + k + 1, {"by": "back", "k": k}))
    return tokens[1:], answers


def first_token(case, random):
    length = case["length"]
    tokens = [None] + draws(case, random, length)
    at = 2 + random.below(length - 2)
    tokens[at] = marker(case, "first_token")
    tokens[at + 1] = tokens[1]
    return tokens[1:], [answer(at + 1, at + 1, {"by": "distance", "distance": at})]


SUBJECTS = (
    "anchor basket candle dragon engine feather garden hammer "
    "island jacket kettle ladder mirror needle orange pepper"
).split()
SENTENCES = (
    " The grass is green. The sky is blue. The sun is yellow. Here we go."
    " There and back again."
)
QUIZ = (
    "There is an important info hidden inside a lot of irrelevant text. Find it and"
    " memorize them. I will quiz you about the important information there.\n"
)
# Of bytes: the filler that the test gives to tasks with `filler = "text"`.
TEXT = "".join(chr(97 + i * i % 26) for i in range(400))


def haystack(case, random):
    length, index, task = case["length"], case["index"], case["task"]
    if task["kind"] == "passkey":
        random.below(1)
        start = QUIZ
        statement = "\nThe pass key is{0}. Remember it.{0} is the pass key.\n"
        question = "\nWhat is the pass key? The pass key is"
    else:
        subject = SUBJECTS[random.below(len(SUBJECTS))]
        start = ""
        phrase = f"he special magic number for {subject}"
        statement = f" T{phrase} is{{0}}."
        question = f"\nWhat is t{phrase}? T{phrase} is"
    digits = task["digits"]
    assert 10**digits <= 4096, "larger pools are drawn"
    chosen = random.choose(10**digits, task["alternatives"] + 1)
    number, *others = [f" {n:0{digits}}" for n in chosen]
    statement = statement.format(number)
    size = length - len(start + statement + question + number)
    if task["filler"] == "sentences":
        filler = (SENTENCES * size)[:size]
    else:
        begin = random.below(len(TEXT) - size + 1)
        filler = TEXT[begin : begin + size]
    percent = task["depths"][index % len(task["depths"])]
    depth = (size * percent + 50) // 100
    text = start + filler[:depth] + statement + filler[depth:] + question + number
    assert len(text) == length
    cell = {"by": "depth", "percent": percent}
    wrong = [list(other.encode()) for other in others]
    first = length + 1 - len(number)
    return list(text.encode()), [answer(first, length, cell, alternatives=wrong)]


MAKERS = {
    "induction": induction,
    "mqar": mqar,
    "copy": copying,
    "reverse": copying,
    "selective_copy": copying,
    "previous_token": back,
    "k_back": back,
    "first_token": first_token,
    "passkey": haystack,
    "needle": haystack,
}

SMALL = {"bos": 5, "first_id": 3, "size": 22}
BYTES = {"bos": 256, "first_id": 0, "size": 257}
CASES = [
    ({"kind": "induction"}, SMALL, 9),
    ({"kind": "mqar", "pairs": 3, "power": 0.01}, SMALL, 19),
    ({"kind": "mqar", "pairs": 5, "power": 0.5}, SMALL, 20),
    ({"kind": "copy"}, SMALL, 9),
    ({"kind": "copy", "items": 3}, SMALL, 9),
    ({"kind": "reverse"}, SMALL, 10),
    ({"kind": "selective_copy", "items": 3}, SMALL, 14),
    ({"kind": "previous_token", "queries": 2}, SMALL, 10),
    ({"kind": "k_back", "k": 3, "queries": 2}, SMALL, 14),
    ({"kind": "first_token"}, SMALL, 8),
]
DEEP = {"digits": 3, "alternatives": 2, "depths": [0, 50, 100]}
CASES += [
    ({"kind": "passkey", "filler": "sentences", **DEEP}, BYTES, 320),
    ({"kind": "needle", "filler": "text", **DEEP}, BYTES, 200),
]


def main():
    golden = []
    for task, vocabulary, length in CASES:
        for index in (0, 7):
            stream = "train" if index == 0 else "evaluation"
            case = {
                "task": task,
                "vocabulary": vocabulary,
                "stream": stream,
                "seed": 42,
                "index": index,
                "length": length,
            }
            kind = mix(task["kind"].encode())
            tag = 0 if stream == "train" else 1
            random = Random([kind, tag, case["seed"], index, length])
            tokens, answers = MAKERS[task["kind"]](case, random)
            assert len(tokens) == length
            case["tokens"] = [vocabulary["bos"], *tokens]
            case["answers"] = answers
            golden.append(case)
    lines = ",\n".join(json.dumps(case) for case in golden)
    path = Path(__file__).with_name("golden.json")
    path.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
