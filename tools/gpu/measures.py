"""The rows of check.py: each finds something on the GPU, and says whether it is as it should be."""

from __future__ import annotations

import copy
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

import partwise
from partwise.assembly.build import assemble
from partwise.data import Batch
from partwise.decoding import Decoder, compile_steps
from partwise.modules import Model, TrainingLoss
from partwise.parts import ModelPart, ModelSite, SamplerPart, resolve_part

VOCABULARY = 512


@dataclass(frozen=True)
class Found:
    """What a row comes to."""

    holds: bool
    found: str


@dataclass(frozen=True)
class Place:
    """Where a row computes, and how large."""

    device: torch.device
    smoke: bool

    @property
    def compiler(self) -> Literal["inductor", "eager"]:
        """For a CPU, inductor's kernels take minutes to compile, and say nothing of those for a GPU."""
        return "eager" if self.smoke else "inductor"

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object], rounds: int) -> float:
        """The median over rounds, after three that warm up."""
        taken = []
        for turn in range(rounds + 3):
            self.wait()
            begun = perf_counter()
            work()
            self.wait()
            taken += [perf_counter() - begun] if turn >= 3 else []
        return statistics.median(taken)


def measured(name: str, smoke: bool) -> dict[str, Any]:
    """A row, for check.py."""
    if not smoke and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA GPU here; --smoke runs tiny sizes on the CPU")
    place = Place(torch.device("cuda" if torch.cuda.is_available() else "cpu"), smoke)
    return vars(ROWS[name](place))


def made(place: Place, width: int, depth: int, context: int, mixer: Mapping[str, Any], position: str) -> Model:
    blocks = [{"use": "pre_norm", "mixer": dict(mixer), "feedforward": "gelu"}]
    choice = {"use": "language_model", "width": width, "depth": depth, "context": context, "blocks": blocks}
    return assemble(resolve_part(ModelPart, {**choice, "position": position}), ModelSite(VOCABULARY), 0, place.device)


def drawn(place: Place, rows: int, length: int, documents: int = 0) -> Batch:
    """Random tokens; with `documents`, in so many per row, whose borders lie anywhere."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(VOCABULARY, (rows, length), generator=generator)
    targets = torch.randint(VOCABULARY, (rows, length), generator=generator)
    numbers = None
    if documents:
        borders = torch.zeros(rows, length, dtype=torch.int64)
        for row in borders:
            row[torch.randperm(length - 1, generator=generator)[: documents - 1] + 1] = 1
        numbers = borders.cumsum(1).to(place.device)
    return Batch(tokens.to(place.device), targets.to(place.device), documents=numbers)


CASES: Mapping[str, tuple[Mapping[str, Any], str, int]] = {
    "attention": ({"use": "multi_head", "heads": 4}, "rope", 0),
    "grouped, in a window": ({"use": "multi_head", "heads": 4, "kv_heads": 2, "window": 64}, "rope", 0),
    "alibi": ({"use": "multi_head", "heads": 4}, "alibi", 0),
    "t5_bias": ({"use": "multi_head", "heads": 4}, "t5_bias", 0),
    "documents": ({"use": "multi_head", "heads": 4}, "rope", 4),
    "gated_linear_attention": ({"use": "gated_linear_attention", "heads": 4}, "none", 4),
    "gated_delta_net": ({"use": "gated_delta_net", "heads": 4}, "none", 4),
    "mamba2": ({"use": "mamba2", "head_width": 32}, "none", 4),
    "lstm": ({"use": "lstm"}, "none", 4),
}
"""Mixer, position, and documents in a row."""


def same_numbers(place: Place) -> Found:
    """Losses and gradients on the GPU, plain and compiled (FlexAttention, fused kernels), are those of the CPU."""
    worst = {"plain": (0.0, ""), "compiled": (0.0, "")}
    length = 64 if place.smoke else 512
    for name, (mixer, position, documents) in list(CASES.items())[: 2 if place.smoke else None]:
        model = made(place, 128, 2, length, mixer, position)
        on_cpu = copy.deepcopy(cast(nn.Module, model)).cpu()
        batch = drawn(place, 2, length, documents)
        expected = _gradients(on_cpu, batch.to("cpu"), None)
        for way in worst:
            if way == "compiled" and name == "lstm":
                continue  # PyTorch's own compiler does not take it
            torch.compiler.reset()
            got = _gradients(cast(nn.Module, model), batch, place.compiler if way == "compiled" else None)
            off = max(float((a - b).norm() / b.norm().clamp_min(1e-6)) for a, b in zip(got, expected, strict=True))
            worst[way] = max(worst[way], (off, name))
    told = ", ".join(f"{way} off by {off:.1e} of its size at most ({name})" for way, (off, name) in worst.items())
    return Found(all(off < 1e-3 for off, _ in worst.values()), told)


def _gradients(model: nn.Module, batch: Batch, compiler: str | None) -> list[Tensor]:
    """The loss, and the gradient of every weight."""
    model.zero_grad()
    loss = TrainingLoss(cast(Model, model))
    value = (torch.compile(loss, backend=compiler) if compiler else loss)(batch)[0]
    value.backward()
    return [value.detach().cpu(), *(one.grad.cpu() for one in model.parameters() if one.grad is not None)]


def float16(place: Place) -> Found:
    """Training in float16, with its scaling, and in bfloat16 learns what training in float32 does."""
    losses = {}
    kinds = ("float32", "bfloat16") if place.device.type == "cpu" else ("float32", "bfloat16", "float16")
    for kind in kinds:
        with tempfile.TemporaryDirectory() as directory:
            steps = 20 if place.smoke else 300
            changes = {"trainer.steps": steps, "trainer.precision": kind, "trainer.schedule": "cosine"}
            recipe = partwise.change("gpt", changes)
            run = partwise.train(recipe, out=Path(directory) / "run", device=place.device.type)
            losses[kind] = run.run.rows()[-1]["valid_loss"]
    told = ", ".join(f"{kind} {loss:.3f}" for kind, loss in losses.items())
    return Found(all(abs(loss / losses["float32"] - 1) < 0.05 for loss in losses.values()), f"{told} nats")


def masked_documents(place: Place) -> Found:
    """A compiled step on windows of 8 masked documents beside the same windows read as one."""
    length, width, rows = (128, 64, 2) if place.smoke else (1024, 512, 16)
    told, holds = [], True
    for name in ("attention", "gated_linear_attention", "mamba2"):
        mixer, position, _ = CASES[name]
        model = made(place, width, 4, length, mixer, position)
        loss = torch.compile(TrainingLoss(model), backend=place.compiler)
        network = cast(nn.Module, model)

        def step(batch: Batch, loss: Any = loss, network: nn.Module = network) -> None:
            network.zero_grad()
            with torch.autocast(place.device.type, torch.bfloat16):
                value = loss(batch)[0]
            value.backward()

        plain, masked = (place.seconds(partial(step, drawn(place, rows, length, many)), 10) for many in (0, 8))
        ratio = plain / masked
        told.append(f"{name} {ratio:.2f}")
        holds &= place.smoke or ratio > 0.8
    return Found(holds, f"speed of a masked step over an open one: {', '.join(told)}")


def memory_of_the_loss(place: Place) -> Found:
    """The loss in chunks needs a fraction of the memory that all logits at once do."""
    if place.device.type != "cuda":
        return Found(True, "not measured without a GPU")
    from partwise.modules import cross_entropy

    peaks = {}
    usual = cross_entropy.MOST_LOGITS
    for name, most in (("in chunks", usual), ("at once", sys.maxsize)):
        cross_entropy.MOST_LOGITS = most
        blocks = [{"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 4}}]
        choice = {"use": "language_model", "width": 256, "depth": 2, "context": 1024, "blocks": blocks}
        model = assemble(resolve_part(ModelPart, choice), ModelSite(50_257), 0, place.device)
        batch = drawn(place, 32, 1024)
        torch.cuda.reset_peak_memory_stats()
        TrainingLoss(model)(batch)[0].backward()
        peaks[name] = torch.cuda.max_memory_allocated() / 1e9
        del model
    told = ", ".join(f"{name} {peak:.1f} GB" for name, peak in peaks.items())
    return Found(peaks["in chunks"] < 0.6 * peaks["at once"], told)


def decoding(place: Place) -> Found:
    """Tokens per second, plain and with a compiled step, one text and sixteen."""
    told, holds = [], True
    width, depth, new = (32, 2, 20) if place.smoke else (384, 6, 200)
    for texts in (1, 16):
        model = made(place, width, depth, 256, {"use": "multi_head", "heads": 4}, "learned")
        cast(nn.Module, model).eval()
        prompt = drawn(place, texts, 16)
        plain, rate = _written(place, model, prompt, new)
        compile_steps(model, place.compiler)
        _written(place, model, prompt, new)
        compiled, faster = _written(place, model, prompt, new)
        holds &= bool((plain == compiled).float().mean() > 0.9)  # a near tie may fall otherwise
        told.append(f"batch {texts}: {rate:,.0f} tokens/s, compiled {faster:,.0f}")
    return Found(holds, "; ".join(told))


def _written(place: Place, model: Model, prompt: Batch, new: int) -> tuple[Tensor, float]:
    sampler = resolve_part(SamplerPart, "greedy").assemble(None)
    place.wait()
    begun = perf_counter()
    decoder = Decoder(model, prompt, end=-1, room=256)
    tokens = torch.stack([one.cpu() for one in sampler.generate(decoder, new, torch.Generator(place.device))])
    return tokens, tokens.numel() / (perf_counter() - begun)


def seeds_at_once(place: Place) -> Found:
    """A step of five seeds of a small model in one pass (vmap), beside five passes. Measured, not yet offered."""
    width, rows, length, seeds = (16, 2, 16, 2) if place.smoke else (128, 16, 128, 5)
    models = [cast(nn.Module, made(place, width, 2, length, CASES["attention"][0], "learned")) for _ in range(seeds)]
    batches = [drawn(place, rows, length) for _ in models]

    def one_by_one() -> None:
        for model, batch in zip(models, batches, strict=True):
            model.zero_grad()
            cast(Model, model).loss(batch).backward()

    whole = _Loss(models[0])
    weights, buffers = stack_module_state([_Loss(model) for model in models])
    weights = {name: one.detach() for name, one in weights.items()}
    tokens, targets = (torch.stack([getattr(one, name) for one in batches]) for name in ("tokens", "targets"))
    together = vmap(
        grad_and_value(lambda weights, buffers, x, y: functional_call(whole, (weights, buffers), (x, y))),
        randomness="different",
    )
    ratio = place.seconds(one_by_one, 10) / place.seconds(lambda: together(weights, buffers, tokens, targets), 10)
    return Found(True, f"{seeds} seeds at once {ratio:.2f} times as fast as one after the other")


class _Loss(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        return cast(Model, self.model).loss(Batch(tokens, targets))


def in_shards(place: Place) -> Found:
    """One process of torchrun with FSDP2 trains the weights of one that knows nothing of it."""
    steps = 4 if place.smoke else 40
    with tempfile.TemporaryDirectory() as directory:
        losses = []
        for parallel in ("ddp", "fsdp"):
            out = Path(directory) / parallel
            command = [
                "-m", "partwise_cli", "train", "gpt", "--out", str(out), "--device", place.device.type,
                "--set", f"trainer.steps={steps}", "--set", f"trainer.parallel={parallel}",
                "--set", "trainer.schedule=cosine",
            ]  # fmt: skip
            torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1"]
            launcher = torchrun if parallel == "fsdp" else []
            subprocess.run([sys.executable, *launcher, *command], check=True, capture_output=True, env=os.environ)
            losses.append(partwise.open(out).run.rows()[-1]["valid_loss"])
    return Found(abs(losses[0] - losses[1]) < 1e-3, f"loss {losses[0]:.4f} alone, {losses[1]:.4f} in shards")


def gpt2_124m(place: Place) -> Found:
    """Tokens per second of GPT-2 124M in bfloat16, compiled, beside a plain implementation."""
    script = Path(__file__).with_name("gpt2_124m.py")
    command = [sys.executable, str(script), *(["--smoke", "--compiler", "eager"] if place.smoke else [])]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [" ".join(line.split()) for line in told.splitlines()]
    ratio = float(next(line for line in lines if line.startswith("ratio")).split()[1])
    return Found(place.smoke or ratio >= 1.0, "; ".join(lines))


ROWS: Mapping[str, Callable[[Place], Found]] = {
    "same numbers": same_numbers,
    "float16": float16,
    "masked documents": masked_documents,
    "memory of the loss": memory_of_the_loss,
    "decoding": decoding,
    "seeds at once": seeds_at_once,
    "in shards": in_shards,
    "gpt2-124m": gpt2_124m,
}
