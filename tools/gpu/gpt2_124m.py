"""`python tools/gpu/gpt2_124m.py`: GPT-2 124M on a CUDA GPU, bfloat16 and compiled, beside a plain implementation.

Both sides train the same network (tools/bench/plain_gpt.py is GPT-2's, by hand) on random tokens with AdamW and
clipping, compiled by the same compiler. Partwise is timed through its own trainer, from the shipped recipe
`families/gpt2-small`, everything included; the peer through the loop one writes around it. Dropout is off on both
sides. The figures are medians over windows of steps, measured in turn.

With `--smoke`, a tiny model on whatever there is, in a minute: to see that the script runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from plain_gpt import PlainGPT

from partwise.assembly.build import assemble
from partwise.assembly.inspection import inspect_model
from partwise.data import Batches, Split
from partwise.data.encoding import encode, training_texts
from partwise.metric_names import PEAK_MEMORY
from partwise.parts import (
    DataPart,
    DataSite,
    ModelPart,
    ModelSite,
    TokenizerPart,
    TokenizerSite,
    TrainerPart,
    resolve_part,
)
from partwise.recipe import load
from partwise.runs import Run
from partwise.training import Progress, Training
from partwise_training.telemetry import PER_PASS, peak_flops


@dataclass(frozen=True)
class Size:
    """What is trained, and for how long."""

    width: int
    depth: int
    heads: int
    context: int
    vocabulary: int
    rows: int
    settling: int
    """Steps before the first window, in which both sides compile."""
    window: int
    windows: int


GPT2 = Size(768, 12, 12, 1024, 50257, 32, 20, 20, 5)
SMOKE = Size(32, 2, 2, 32, 300, 4, 3, 3, 2)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--smoke", action="store_true", help="a tiny model, to see that the script runs")
    options.add_argument("--rows", type=int, help="rows of 1024 tokens at once (32 unless given)")
    options.add_argument("--compiler", choices=["inductor", "eager", "none"], default="inductor")
    options.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16")
    given = options.parse_args()
    if not torch.cuda.is_available() and not given.smoke:
        sys.exit("there is no CUDA GPU here; --smoke runs a tiny model on the CPU")
    size = SMOKE if given.smoke else GPT2
    if given.rows:
        size = Size(**{**vars(size), "rows": given.rows})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    compiler = None if given.compiler == "none" else given.compiler
    with tempfile.TemporaryDirectory() as place:
        os.environ["PARTWISE_CACHE"] = str(Path(place) / "cache")
        ours, theirs, memory = measured(size, device, given.precision, compiler, Path(place))
    report(size, device, given.precision, compiler, ours, theirs, memory)


def model_part(size: Size) -> ModelPart:
    """The recipe's own model; in other sizes, for --smoke."""
    block = "model.blocks.0"
    overrides = [
        f"model.width={size.width}", f"model.depth={size.depth}", f"model.context={size.context}",
        f"{block}.mixer.heads={size.heads}", "model.dropout=0.0", f"{block}.dropout=0.0", f"{block}.mixer.dropout=0.0",
    ]  # fmt: skip
    return load("families/gpt2-small", overrides).recipe.model


def measured(
    size: Size, device: torch.device, precision: str, compiler: str | None, place: Path
) -> tuple[list[float], list[float], int]:
    """Tokens per second of partwise and of the peer, window by window; and the trainer's own peak of memory."""
    batches = random_batches(size, place)
    peer = plain_step(size, device, precision, compiler)
    for _ in range(size.settling):
        peer()
    ours: list[float] = []
    theirs: list[float] = []
    memory = 0
    begun = 0.0

    def report(progress: Progress) -> None:
        nonlocal begun, memory
        place = (progress.step - size.settling) % (size.window + 1)
        if progress.step < size.settling:
            return
        if place == 0 and len(theirs) < size.windows:
            theirs.append(timed(peer, size, device))
        elif place == 1:  # one step to settle after the peer's
            wait(device)
            begun = perf_counter()
        elif place == size.window:
            wait(device)
            ours.append((size.window - 1) * size.rows * size.context / (perf_counter() - begun))
            memory = int(progress.metrics.get(PEAK_MEMORY) or 0)

    settings = {
        "use": "standard", "steps": size.settling + size.windows * (size.window + 1), "batch_size": size.rows,
        "precision": precision, "compile": compiler, "clip": 1.0, "optimizer": {"use": "adamw", "lr": 6e-4},
        "evaluate_every": None, "evaluate_batches": 1, "checkpoint_every": None,
    }  # fmt: skip
    trainer = resolve_part(TrainerPart, settings).assemble(None)
    model = assemble(model_part(size), ModelSite(size.vocabulary), 0, device)
    run = Run.create(place / "run", {"name": "gpt2-124m"}, {}, {})
    trainer.fit(Training(model, batches, run, 0, device, report))
    return ours, theirs, memory


def plain_step(size: Size, device: torch.device, precision: str, compiler: str | None) -> Callable[[], None]:
    """A step of the peer's training."""
    model: Any = PlainGPT(size.vocabulary, size.width, size.heads, size.depth, size.context).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    forward = torch.compile(model, backend=compiler) if compiler else model
    tokens = torch.from_numpy(np.random.default_rng(0).integers(0, size.vocabulary, 2_000_000))

    def step() -> None:
        starts = torch.randint(len(tokens) - size.context - 1, (size.rows,))
        rows = torch.stack([tokens[start : start + size.context + 1] for start in starts]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = forward(rows[:, :-1], rows[:, 1:].contiguous())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def timed(step: Callable[[], None], size: Size, device: torch.device) -> float:
    step()  # one to settle after partwise's
    wait(device)
    begun = perf_counter()
    for _ in range(size.window - 1):
        step()
    wait(device)
    return (size.window - 1) * size.rows * size.context / (perf_counter() - begun)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def random_batches(size: Size, place: Path) -> Batches:
    """Random characters, through the same encoding and memory maps as any text."""
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + size.vocabulary - 2)]
    text = "".join(np.random.default_rng(0).choice(letters, 2_000_000 if size.vocabulary > 1000 else 20_000))
    (place / "text.txt").write_text(text, encoding="utf-8")
    data = resolve_part(DataPart, {"use": "text", "files": ["text.txt"]}).assemble(DataSite(place))
    tokenizer = resolve_part(TokenizerPart, "char").assemble(TokenizerSite(lambda: training_texts(data)))
    splits: tuple[Split, ...] = ("train", "valid")
    encoded = {split: encode(data, tokenizer, split, place) for split in splits}
    return Batches(encoded, "sequence", size.context, tokenizer.end)


def report(
    size: Size, device: torch.device, precision: str, compiler: str | None, ours: list[float], theirs: list[float],
    memory: int,
) -> None:  # fmt: skip
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    peak = peak_flops(device, precision)
    per_token = PER_PASS * (inspect_model(model_part(size), ModelSite(size.vocabulary)).flops_per_token or 0.0)
    how = f"compiled by {compiler}" if compiler else "not compiled"
    print(f"{name}, {peak / 1e12:,.1f} TFLOP/s at best, torch {torch.__version__}, {precision}, {how}")
    print(f"{size.rows} rows of {size.context}; {per_token / 1e6:,.1f} MFLOP per token")
    for side, rates in (("partwise", ours), ("plain", theirs)):
        rate = statistics.median(rates)
        print(f"  {side:<9} {rate:>12,.0f} tokens/s   utilisation {rate * per_token / peak:.1%}")
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    print(f"  ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})", end="")
    print(f", peak memory of both {memory / 1e9:.1f} GB" if memory else "")


if __name__ == "__main__":
    main()
