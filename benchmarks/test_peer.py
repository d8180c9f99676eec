"""Tests of the PyTorch peer against plain NumPy forms: `python -m unittest` in this folder."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

import numpy as np
import torch

import comparison
from peer import optimizer
from peer.model import Decoder, RmsNorm, rotary_tables, rotate
from peer.shape import Shape
from peer.tokens import FileTokens, SyntheticTokens, windows

HERE = Path(__file__).resolve().parent
LENGTH = 24


def tiny(**changes: object) -> Shape:
    """A shape small enough to differentiate numerically, with two query heads to a key-value head."""
    sizes = {
        "vocab_size": 61,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "intermediate_size": 48,
        "rms_norm_eps": 1e-6,
        "encoding": "rope",
        "theta": 10_000.0,
        "fraction": 1.0,
    }
    return Shape(**{**sizes, **changes})


def decoder(shape: Shape | None = None) -> Decoder:
    """Random weights; the norms' gains too, so that a gain applied wrongly shows."""
    torch.manual_seed(3)
    model = Decoder(shape or tiny(), LENGTH)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.normal_(std=0.3)
    return model


def batch(shape: Shape, rows: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    inputs, targets = windows(SyntheticTokens(shape.vocab_size), rows, LENGTH)
    return torch.from_numpy(inputs), torch.from_numpy(targets)


class NaiveDecoder:
    """The trainer's forward pass in f64 NumPy, one head and one query at a time."""

    def __init__(self, shape: Shape, model: Decoder) -> None:
        self.shape = shape
        self.weights = {name: value.numpy().astype(np.float64) for name, value in model.state_dict().items()}

    def losses(self, tokens: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Negative log-likelihoods `[T]` of one sequence."""
        embedding = self.weights["embed_tokens"]
        x = embedding[tokens] * math.sqrt(self.shape.hidden_size)  # [T, C]
        for layer in range(self.shape.num_hidden_layers):
            path = f"layers.{layer}"
            x = x + self.attention(f"{path}.self_attn", self.norm(f"{path}.input_layernorm", x))
            x = x + self.mlp(f"{path}.mlp", self.norm(f"{path}.pre_feedforward_layernorm", x))
        logits = self.norm("norm", x) @ embedding.T  # [T, V]
        return np.array([np.log(np.exp(row).sum()) - row[t] for row, t in zip(logits, targets, strict=True)])

    def norm(self, path: str, x: np.ndarray) -> np.ndarray:
        mean_square = (x * x).mean(axis=-1, keepdims=True)
        return x / np.sqrt(mean_square + self.shape.rms_norm_eps) * (1.0 + self.weights[f"{path}.weight"])

    def mlp(self, path: str, x: np.ndarray) -> np.ndarray:
        gate = x @ self.weights[f"{path}.gate_proj"]
        gelu = 0.5 * gate * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (gate + 0.044715 * gate**3)))
        return (gelu * (x @ self.weights[f"{path}.up_proj"])) @ self.weights[f"{path}.down_proj"]

    def attention(self, path: str, x: np.ndarray) -> np.ndarray:
        shape, width = self.shape, self.shape.head_dim
        q, k, v = (x @ self.weights[f"{path}.{name}_proj"] for name in "qkv")
        groups = shape.num_attention_heads // shape.num_key_value_heads
        mixed = np.zeros_like(q)
        for head in range(shape.num_attention_heads):
            mine = slice(head * width, (head + 1) * width)
            shared = slice(head // groups * width, (head // groups + 1) * width)
            turned_q = naive_rotate(shape, q[:, mine])
            turned_k = naive_rotate(shape, k[:, shared])
            for position in range(len(x)):
                scores = turned_k[: position + 1] @ turned_q[position] / math.sqrt(width)
                share = np.exp(scores) / np.exp(scores).sum()
                mixed[position, mine] = share @ v[: position + 1, shared]
        return mixed @ self.weights[f"{path}.o_proj"]


def naive_rotate(shape: Shape, x: np.ndarray) -> np.ndarray:
    """Pair (i, i + D/2) of row n of `x` `[T, D]`, as a complex number, times `exp(i n theta^(-2i/D))`."""
    half = shape.head_dim // 2
    rotated = int(shape.fraction * shape.head_dim) // 2
    out = np.array(x, dtype=np.float64)
    for position in range(len(x)):
        for pair in range(rotated):
            angle = position * shape.theta ** (-2 * pair / shape.head_dim)
            turned = complex(x[position, pair], x[position, pair + half]) * complex(math.cos(angle), math.sin(angle))
            out[position, pair], out[position, pair + half] = turned.real, turned.imag
    return out


class Shapes(unittest.TestCase):
    def test_parameter_count_is_the_models(self) -> None:
        for shape in (tiny(), tiny(num_key_value_heads=4), tiny(num_hidden_layers=1, head_dim=16)):
            counted = sum(p.numel() for p in Decoder(shape, 4).parameters())
            self.assertEqual(shape.num_parameters(), counted)

    def test_benchmark_shapes_have_the_known_sizes(self) -> None:
        described = tomllib.loads((HERE / "shapes.toml").read_text())
        found = {name: Shape.from_dict(model).num_parameters() for name, model in described["models"].items()}
        # Counted by hand: V C + L (C (2 H D + 2 K D) + 3 C F + 2 C) + C.
        self.assertEqual(found, {"tiny": 1_213_568, "small": 9_703_680, "gpt2-size": 123_551_232})
        for case in described["cases"]:
            if case["mode"] == "train":
                wanted = {"cpu": 4096, "cuda": 32768}[case["device"]]
                self.assertEqual(case["batch"] * case["length"], wanted)

    def test_flops_count_visible_keys(self) -> None:
        shape = tiny()
        keys = sum(position + 1 for position in range(LENGTH)) / LENGTH
        width = shape.num_attention_heads * shape.head_dim
        expected = 6 * shape.num_parameters() + 12 * shape.num_hidden_layers * width * keys
        self.assertAlmostEqual(shape.training_flops_per_token(LENGTH), expected, places=6)

    def test_other_models_are_refused(self) -> None:
        model = tomllib.loads((HERE / "shapes.toml").read_text())["models"]["tiny"]
        self.assertEqual(Shape.from_dict(model).hidden_size, 128)
        layer = model["layers"]["global"]
        for changed in (
            {**model, "qk_norm": True},
            {**model, "norm_gain": "plain"},
            {**model, "final_logit_softcapping": 30.0},
            {**model, "layers": {"global": {**layer, "sliding_window": 64}}},
            {**model, "layers": {"global": {**layer, "encoding": {"kind": "alibi"}}}},
        ):
            with self.assertRaises(ValueError):
                Shape.from_dict(changed)


class Model(unittest.TestCase):
    def test_whole_forward_equals_numpy(self) -> None:
        for changes in ({}, {"num_key_value_heads": 1}, {"encoding": "prope", "fraction": 0.5}, {"fraction": 0.0}):
            shape = tiny(**changes)
            model = decoder(shape)
            inputs, targets = batch(shape)
            naive = NaiveDecoder(shape, model)
            rows = zip(inputs.numpy(), targets.numpy(), strict=True)
            expected = np.mean([naive.losses(*row) for row in rows])
            with self.subTest(changes):
                self.assertAlmostEqual(model(inputs, targets).item(), expected, delta=2e-5 * expected)

    def test_no_token_sees_a_later_one(self) -> None:
        model = decoder()
        inputs, _ = batch(tiny())
        before = model.hidden_states(inputs)
        for at in (0, LENGTH // 2, LENGTH - 1):
            changed = inputs.clone()
            changed[:, at] = (changed[:, at] + 1) % tiny().vocab_size
            after = model.hidden_states(changed)
            torch.testing.assert_close(after[:, :at], before[:, :at], rtol=0, atol=1e-6)
            self.assertTrue(((after - before)[:, at].abs().amax(dim=-1) > 1e-3).all())

    def test_rotation_equals_numpy_far_from_the_begin(self) -> None:
        length, shape = 3000, tiny(head_dim=16)
        x = torch.randn(1, 1, length, 16, generator=torch.Generator().manual_seed(5))
        found = rotate(x, *rotary_tables(shape, length))[0, 0]
        np.testing.assert_allclose(found.numpy(), naive_rotate(shape, x[0, 0].numpy()), atol=2e-6)

    def test_gelu_is_the_tanh_form(self) -> None:
        # In f64, where the exact form's difference of up to 5e-4 cannot hide in rounding.
        model = decoder().double()
        x = torch.randn(50, tiny().hidden_size, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
        expected = NaiveDecoder(tiny(), model).mlp("layers.0.mlp", 2 * x.numpy())
        found = model.layers[0].mlp(2 * x).detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)

    def test_gain_is_one_plus_weight_and_eps_is_inside_the_root(self) -> None:
        norm = RmsNorm(4, 0.5)
        with torch.no_grad():
            norm.weight.copy_(torch.tensor([0.0, 1.0, -1.0, 0.5]))
        found = norm(torch.tensor([[1.0, 1.0, 1.0, 2.0]]))
        expected = np.array([1.0, 2.0, 0.0, 3.0]) / math.sqrt(7 / 4 + 0.5)
        np.testing.assert_allclose(found.detach().numpy()[0], expected, rtol=1e-6)

    def test_chunked_loss_equals_unchunked(self) -> None:
        model = decoder()
        inputs, targets = batch(tiny(), rows=3)
        whole = model(inputs, targets).item()
        for chunk in (1, 7, LENGTH, 3 * LENGTH, 1000):
            self.assertAlmostEqual(model.chunked_loss(inputs, targets, chunk).item(), whole, delta=1e-5)

    def test_gradient_of_the_loss(self) -> None:
        model = decoder().double()
        inputs, targets = batch(tiny())
        model(inputs, targets).backward()
        for name, parameter in model.named_parameters():
            direction = torch.randn_like(parameter, generator=torch.Generator().manual_seed(1))
            # PyTorch's tables stay f32 rounded to f64: the loss is smooth in the weights all the same.
            losses = []
            for sign in (1, -1):
                with torch.no_grad():
                    parameter += sign * 1e-5 * direction
                    losses.append(model(inputs, targets).item())
                    parameter -= sign * 1e-5 * direction
            slope = (losses[0] - losses[1]) / 2e-5
            with self.subTest(name):
                self.assertAlmostEqual((parameter.grad * direction).sum().item(), slope, delta=1e-6)


class Optimizer(unittest.TestCase):
    def test_steps_equal_decoupled_adamw(self) -> None:
        rate, generator = 0.01, torch.Generator().manual_seed(2)
        model = torch.nn.ParameterList(
            [torch.nn.Parameter(torch.randn(n, generator=generator)) for n in ((5, 3), (4,))]
        )
        values = [p.detach().numpy().astype(np.float64).copy() for p in model]
        first, second = ([np.zeros_like(v) for v in values] for _ in range(2))
        adamw = optimizer.adamw(model, rate)
        # The second gradient is of the size of epsilon: inside the root it would vanish.
        for time, size in enumerate((0.3, 1e-8, 0.1), start=1):
            gradients = [torch.randn(p.shape, generator=generator) * size for p in model]
            for index, (parameter, gradient) in enumerate(zip(model, gradients, strict=True)):
                parameter.grad = gradient.clone()
                g = gradient.numpy().astype(np.float64)
                first[index] = 0.9 * first[index] + 0.1 * g
                second[index] = 0.95 * second[index] + 0.05 * g * g
                corrected = first[index] / (1 - 0.9**time)
                root = np.sqrt(second[index] / (1 - 0.95**time))
                decay = 0.1 if g.ndim == 2 else 0.0
                values[index] = values[index] * (1 - rate * decay) - rate * corrected / (root + 1e-8)
            adamw.step()
            for parameter, value in zip(model, values, strict=True):
                np.testing.assert_allclose(parameter.detach().numpy(), value, rtol=2e-6, atol=2e-7)

    def test_epsilon_is_outside_the_root(self) -> None:
        model = torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(1))])
        model[0].grad = torch.full((1,), 1e-8)
        optimizer.adamw(model, 1.0).step()
        # After one step both corrected moments are the gradient's: g / (|g| + eps) = 1/2.
        self.assertAlmostEqual(model[0].item(), -0.5, places=5)

    def test_one_norm_clips_all_gradients(self) -> None:
        model = torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(n)) for n in (2, 1)])
        for scale, expected in ((1.0, [3 / 13, 4 / 13, 12 / 13]), (0.01, [0.03, 0.04, 0.12])):
            model[0].grad = scale * torch.tensor([3.0, 4.0])
            model[1].grad = scale * torch.tensor([12.0])
            optimizer.clip(model)
            found = torch.cat([p.grad for p in model])
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


class Tokens(unittest.TestCase):
    def test_generator_equals_its_recurrence(self) -> None:
        stream, state, expected = SyntheticTokens(50_257), 1, []
        for _ in range(100):
            state = (6364136223846793005 * state + 1442695040888963407) % 2**64
            expected.append((state >> 33) % 50_257)
        found = np.concatenate([stream.take(count) for count in (1, 2, 30, 67)])
        self.assertEqual(found.tolist(), expected)

    def test_windows_follow_each_other(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokens.bin"
            np.arange(24, dtype="<u2").tofile(path)
            stream = FileTokens(path, 24)
            for first in (0, 12):
                inputs, targets = windows(stream, 2, 5)
                self.assertEqual(inputs.tolist(), [[first + 6 * row + n for n in range(5)] for row in (0, 1)])
                np.testing.assert_array_equal(targets, inputs + 1)
            with self.assertRaises(ValueError):
                windows(stream, 1, 5)
            with self.assertRaises(ValueError):
                FileTokens(path, 23)
            np.array([70_000, 1], dtype="<u4").tofile(path)
            self.assertEqual(FileTokens(path, 100_000).take(2).tolist(), [70_000, 1])


class CommandLine(unittest.TestCase):
    def train(self, folder: Path, *arguments: str) -> str:
        model = tomllib.loads((HERE / "shapes.toml").read_text())["models"]["tiny"]
        shape = folder / "shape.json"
        shape.write_text(json.dumps({**model, "vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 1}))
        command = [sys.executable, str(HERE / "peer" / "train.py"), "--shape", str(shape), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def test_a_run_prints_one_line_and_learns(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            weights = ["--weights", str(folder / "w.safetensors")]
            self.train(folder, "--save-weights", weights[1])
            tokens = folder / "tokens.bin"
            np.tile(np.arange(9, dtype="<u2"), 2000).tofile(tokens)
            common = [*weights, "--batch", "2", "--length", "32", "--no-compile", "--tokens", str(tokens)]
            line = json.loads(self.train(folder, *common, "--steps", "30", "--warmup", "2"))
            self.assertEqual((len(line["losses"]), len(line["step_seconds"])), (32, 30))
            self.assertEqual(line["tokens_per_step"], 64)
            self.assertLess(line["losses"][-1], 0.7 * line["losses"][0])
            self.assertGreaterEqual(line["seconds_to_first_step"], line["step_seconds"][0])
            evaluated = json.loads(self.train(folder, *common, "--evaluate", "--steps", "1", "--warmup", "0"))
            self.assertAlmostEqual(evaluated["losses"][0], line["losses"][0], places=5)
            self.assertAlmostEqual(3 * evaluated["flops_per_token"], line["flops_per_token"], places=3)


class Comparison(unittest.TestCase):
    def line(self, **changes: object) -> dict:
        line = {
            "mode": "train", "device": "cpu", "dtype": "f32", "threads": 2, "parameters": 10, "tokens_per_step": 100,
            "step_seconds": [1.0, 2.0, 9.0], "losses": [4.0, 3.0], "flops_per_token": 60.0,
            "peak_rss_bytes": 2**20, "peak_device_bytes": None, "seconds_to_first_step": 1.0,
        }  # fmt: skip
        return {**line, **changes}

    def test_ratio_is_of_median_steps(self) -> None:
        self.assertEqual(comparison.tokens_per_second(self.line()), 50.0)
        round_ = comparison.Round(ours=self.line(step_seconds=[1.0, 1.0, 5.0]), pytorch=self.line())
        self.assertEqual(round_.ratio(), 2.0)
        self.assertIn("| 2.00 | 2.00..2.00 |", comparison.row("case", [round_]))

    def test_memory_of_a_process_does_not_stand_for_a_devices(self) -> None:
        self.assertEqual(comparison.peak_memory([self.line()]), "1 MiB")
        self.assertEqual(comparison.peak_memory([self.line(device="cuda")]), "-")
        self.assertEqual(comparison.peak_memory([self.line(device="cuda", peak_device_bytes=2**22)]), "4 MiB")

    def test_unequal_work_is_refused(self) -> None:
        comparison.Round(self.line(losses=[4.003, 9.0]), self.line()).check(weights_shared=True)
        for changes in (
            {"parameters": 11},
            {"flops_per_token": 60.1},
            {"tokens_per_step": 99},
            {"threads": 1},
            {"dtype": "bf16"},
            {"device": "cuda:0"},
            {"losses": [4.005, 3.0]},
            {"losses": [math.nan, 3.0]},
            {"losses": [4.0]},
        ):
            with self.subTest(changes), self.assertRaises(comparison.Unequal):
                comparison.Round(self.line(**changes), self.line()).check(weights_shared=True)
        comparison.Round(self.line(device="cpu:0"), self.line()).check(weights_shared=True)
        comparison.Round(self.line(losses=[5.0, 3.0]), self.line()).check(weights_shared=False)


if __name__ == "__main__":
    unittest.main()
