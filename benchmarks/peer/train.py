"""Times training steps, or forward passes, of the decoder in PyTorch and prints one line of JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOADED = time.time()
# Run as a script, Python looks for modules beside it and not in the folder that holds the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from peer.model import Decoder  # noqa: E402
from peer.optimizer import adamw, clip  # noqa: E402
from peer.shape import Shape  # noqa: E402
from peer.tokens import FileTokens, Stream, SyntheticTokens, windows  # noqa: E402

# Most output logits alive at once in an evaluation, in elements: 64 MiB and 1 GiB of f32.
LOGITS = {"cpu": 1 << 24, "cuda": 1 << 28}
LEARNING_RATE = 1e-3
SEED = 1

Step = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Times:
    """What the steps took and gave."""

    step_seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    seconds_to_first_step: float = 0.0


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=Path, required=True, help="[model] as JSON, or a run's config.toml")
    parser.add_argument("--weights", type=Path, help="model.safetensors of a checkpoint; default: random")
    parser.add_argument("--save-weights", type=Path, help="write the initial weights here and do nothing else")
    parser.add_argument("--tokens", type=Path, help="u16 or u32 tokens, little endian; default: synthetic")
    parser.add_argument("--batch", type=int, default=8, help="sequences per step")
    parser.add_argument("--length", type=int, default=512, help="tokens per sequence")
    parser.add_argument("--steps", type=int, default=10, help="steps that are timed")
    parser.add_argument("--warmup", type=int, default=3, help="steps before them")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--threads", type=int, default=2, help="threads of an operation on the CPU")
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE)
    parser.add_argument("--evaluate", action="store_true", help="forward passes only")
    options = parser.parse_args(arguments)
    for name, least in (("batch", 1), ("length", 1), ("steps", 1), ("warmup", 0), ("threads", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name} must be at least {least}")
    return options


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    shape = Shape.load(options.shape)
    model = Decoder(shape, options.length)
    if options.save_weights:
        save_file(model.state_dict(), options.save_weights, metadata={"format": "pt"})
        return
    if options.weights:
        # Strict: a missing, superfluous or misshapen tensor is an error.
        model.load_state_dict(load_file(options.weights))
    model.to(options.device)
    step = evaluation_step(model, options) if options.evaluate else training_step(model, options)
    times = run(step, token_stream(options, shape), options)
    print(json.dumps(report(options, shape, model, times)))


def training_step(model: Decoder, options: argparse.Namespace) -> Step:
    """Forward, backward, clip, AdamW; gives the loss under the weights before the update."""
    loss_of = compiled(model, options)
    optimizer = adamw(model, options.learning_rate)

    def step(inputs: Tensor, targets: Tensor) -> Tensor:
        with precision(options):
            loss = loss_of(inputs, targets)
        loss.backward()
        clip(model)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


def evaluation_step(model: Decoder, options: argparse.Namespace) -> Step:
    """The loss alone, its logits made in chunks."""
    model.requires_grad_(False)
    chunk = max(1, LOGITS[options.device] // model.embed_tokens.shape[0])
    loss_of = compiled(lambda inputs, targets: model.chunked_loss(inputs, targets, chunk), options)

    def step(inputs: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad(), precision(options):
            return loss_of(inputs, targets)

    return step


def compiled(function: Step, options: argparse.Namespace) -> Step:
    """`function`, compiled if that was asked for. All batches have one shape: nothing is made dynamic."""
    return torch.compile(function, fullgraph=True, dynamic=False) if options.compile else function


def precision(options: argparse.Namespace) -> contextlib.AbstractContextManager[Any]:
    """bf16 where autocast thinks it safe; weights, residual stream and moments stay f32."""
    if options.dtype == "f32":
        return contextlib.nullcontext()
    return torch.autocast(options.device, dtype=torch.bfloat16)


def token_stream(options: argparse.Namespace, shape: Shape) -> Stream:
    if options.tokens:
        return FileTokens(options.tokens, shape.vocab_size)
    return SyntheticTokens(shape.vocab_size)


def run(step: Step, stream: Stream, options: argparse.Namespace) -> Times:
    """Warm-up and timed steps. A step is timed from its batch on the host to its loss on the host,
    which waits for the device; making the tokens is outside."""
    times = Times()
    for index in range(options.warmup + options.steps):
        inputs, targets = windows(stream, options.batch, options.length)
        began = time.perf_counter()
        batch = [torch.from_numpy(tokens).to(options.device) for tokens in (inputs, targets)]
        loss = step(*batch)
        if options.device == "cuda":
            torch.cuda.synchronize()
        times.losses.append(float(f"{loss.item():.8e}"))  # 9 digits
        if index == 0:
            times.seconds_to_first_step = seconds_since_start()
        if index >= options.warmup:
            times.step_seconds.append(time.perf_counter() - began)
    return times


def seconds_since_start() -> float:
    """Seconds since the process began; where there is no /proc, since this file was loaded."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return time.time() - LOADED
    return uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def report(options: argparse.Namespace, shape: Shape, model: Decoder, times: Times) -> dict[str, Any]:
    flops = shape.training_flops_per_token(options.length)
    on_cuda = options.device == "cuda"
    return {
        "side": "pytorch",
        "version": torch.__version__,
        "mode": "evaluate" if options.evaluate else "train",
        "threads": options.threads,
        "device": options.device,
        "dtype": options.dtype,
        "compile": options.compile,
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens_per_step": options.batch * options.length,
        "step_seconds": times.step_seconds,
        "losses": times.losses,
        # Linux counts in KiB.
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_device_bytes": torch.cuda.max_memory_reserved() if on_cuda else None,
        "seconds_to_first_step": times.seconds_to_first_step,
        # A training step is one forward pass and a backward pass of twice its work.
        "flops_per_token": flops / 3 if options.evaluate else flops,
    }


if __name__ == "__main__":
    main()
