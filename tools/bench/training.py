"""The training rows: the nanoGPT CPU setting (4 layers, 4 heads, width 128, context 64, batch 12, 65 characters).

Partwise is timed through its own trainer, everything included: batches, learning rate, clipping, optimizer,
metrics. The peers are timed through the loop one writes around them, without metrics.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plain_gpt import PlainGPT

from partwise.assembly import assemble
from partwise.batches import Batches
from partwise.encoding import encode, training_texts
from partwise.interfaces import Progress, Split, Training
from partwise.kinds import DataPart, ModelPart, TokenizerPart, TrainerPart
from partwise.parts import fit_part
from partwise.run import Run
from partwise.sites import DataSite, ModelSite, TokenizerSite

VOCABULARY, WIDTH, HEADS, LAYERS, CONTEXT, BATCH = 65, 128, 4, 4, 64, 12
STEPS, SKIPPED = 40, 4
MODEL: dict[str, Any] = {
    "use": "language_model",
    "width": WIDTH,
    "depth": LAYERS,
    "context": CONTEXT,
    "position": "learned",
    "blocks": [{"use": "pre_norm", "mixer": {"use": "multi_head", "heads": HEADS}, "feedforward": "gelu"}],
}


def float32() -> Callable[[], tuple[float, float]]:
    """Against the hand-written GPT."""
    return _against(_plain(), "float32")


def bfloat16() -> Callable[[], tuple[float, float]]:
    """In bfloat16, against the hand-written GPT in float32."""
    return _against(_plain(), "bfloat16")


def hugging_face() -> Callable[[], tuple[float, float]]:
    """Against transformers' GPT-2 of the same size and activation."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
        activation_function="gelu", resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GPT2LMHeadModel(config).train()
    tokens = _tokens()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> None:
        rows = torch.stack([tokens[i : i + CONTEXT] for i in torch.randint(len(tokens) - CONTEXT, (BATCH,))])
        _update(model(input_ids=rows, labels=rows).loss, model, optimizer)

    return _against(step, "float32")


def _plain() -> Callable[[], None]:
    model = PlainGPT(VOCABULARY, WIDTH, HEADS, LAYERS, CONTEXT)
    tokens = _tokens()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> None:
        starts = torch.randint(len(tokens) - CONTEXT - 1, (BATCH,))
        inputs = torch.stack([tokens[i : i + CONTEXT] for i in starts])
        targets = torch.stack([tokens[i + 1 : i + 1 + CONTEXT] for i in starts])
        _update(model(inputs, targets), model, optimizer)

    return step


def _update(loss: torch.Tensor, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def _tokens() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, VOCABULARY, 1_000_000))


def _against(peer_step: Callable[[], None], precision: str) -> Callable[[], tuple[float, float]]:
    def measure() -> tuple[float, float]:
        ours = _partwise(precision)
        for _ in range(SKIPPED):
            peer_step()
        start = time.perf_counter()
        for _ in range(STEPS):
            peer_step()
        return ours, STEPS * BATCH * CONTEXT / (time.perf_counter() - start)

    return measure


def _partwise(precision: str) -> float:
    """Tokens per second of the `standard` trainer, its first steps not counted."""
    trainer = fit_part(
        TrainerPart,
        {"use": "standard", "steps": STEPS + SKIPPED + 1, "batch_size": BATCH, "precision": precision, "clip": 1.0,
         "optimizer": {"use": "adamw", "lr": 1e-3}, "evaluate_every": None, "checkpoint_every": None},
    ).assemble(None)  # fmt: skip
    model = assemble(fit_part(ModelPart, MODEL), ModelSite(VOCABULARY), seed=0)
    moments: list[float] = []

    def report(progress: Progress) -> None:
        moments.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as place:
        run = Run.create(Path(place) / "run", {"name": "bench"}, {}, {})
        trainer.fit(Training(model, _batches(), run, 0, torch.device("cpu"), report))
    first, last = SKIPPED, SKIPPED + STEPS
    return STEPS * BATCH * CONTEXT / (moments[last] - moments[first])


@cache
def _batches() -> Batches:
    """A million random characters, through the same encoding and memory maps as any text."""
    letters = "".join(map(chr, range(33, 33 + VOCABULARY - 2)))
    text = "".join(np.random.default_rng(0).choice(list(letters), 1_000_000))
    place = Path(tempfile.mkdtemp())
    (place / "text.txt").write_text(text)
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    data = fit_part(DataPart, {"use": "text", "files": ["text.txt"]}).assemble(DataSite(place))
    tokenizer = fit_part(TokenizerPart, "char").assemble(TokenizerSite(lambda: training_texts(data)))
    splits: tuple[Split, ...] = ("train", "valid")
    encoded = {split: encode(data, tokenizer, split, place) for split in splits}
    return Batches(encoded, "sequence", CONTEXT, tokenizer.end)
