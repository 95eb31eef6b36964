"""The training rows: the nanoGPT CPU setting (4 layers, 4 heads, width 128, context 64, batch 12, 65 characters).

Partwise is timed through its own trainer, everything included: batches, learning rate, clipping, optimizer,
metrics. The peers are timed through the loop one writes around them, without metrics. All rounds are of one
training on either side, as users train: the peer makes its steps while partwise's trainer reports one of its own.
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
from measuring import Measure, Pair
from plain_gpt import PlainGPT

from partwise.assembly.build import assemble
from partwise.data import Batches, Split
from partwise.data.encoding import encode, training_texts
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
from partwise.runs import Run
from partwise.training import Progress, Training

VOCABULARY, WIDTH, HEADS, LAYERS, CONTEXT, BATCH = 65, 128, 4, 4, 64, 12
STEPS, SETTLED = 40, 100
"""Steps of each side in a round; and those that partwise makes before the first, while memory is first touched."""


def _model(gelu: str) -> dict[str, Any]:
    feedforward = {"use": "gelu", "form": gelu}
    block = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": HEADS}, "feedforward": feedforward}
    return {"use": "language_model", "width": WIDTH, "depth": LAYERS, "context": CONTEXT, "position": "learned",
            "blocks": [block]}  # fmt: skip


def float32() -> Measure:
    """Against the hand-written GPT."""
    return _against(_plain(), "float32", "exact")


def bfloat16() -> Measure:
    """In bfloat16, against the hand-written GPT in float32."""
    return _against(_plain(), "bfloat16", "exact")


def hugging_face() -> Measure:
    """Against transformers' GPT-2 of the same size, both with GPT-2's own activation, GELU by a tanh."""
    return _against(_hugging_face("gelu_new"), "float32", "tanh")


def hugging_face_exact() -> Measure:
    """Against transformers' GPT-2 with the exact GELU in place of its own, which torch has a kernel for."""
    return _against(_hugging_face("gelu"), "float32", "exact")


def _hugging_face(activation: str) -> Callable[[], None]:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS,
        activation_function=activation, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GPT2LMHeadModel(config).train()
    tokens = _tokens()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> None:
        rows = torch.stack([tokens[i : i + CONTEXT] for i in torch.randint(len(tokens) - CONTEXT, (BATCH,))])
        _update(model(input_ids=rows, labels=rows).loss, model, optimizer)

    return step


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


def _against(peer_step: Callable[[], None], precision: str, gelu: str) -> Measure:
    """Tokens per second of the `standard` trainer and of `peer_step`, round by round."""

    def measure(rounds: int) -> list[Pair]:
        trainer = resolve_part(
            TrainerPart,
            {"use": "standard", "steps": SETTLED + rounds * (STEPS + 1), "batch_size": BATCH, "precision": precision,
             "clip": 1.0, "optimizer": {"use": "adamw", "lr": 1e-3}, "evaluate_every": None, "checkpoint_every": None},
        ).assemble(None)  # fmt: skip
        model = assemble(resolve_part(ModelPart, _model(gelu)), ModelSite(VOCABULARY), seed=0)
        pairs: list[Pair] = []
        begun = 0.0

        def report(progress: Progress) -> None:
            nonlocal begun
            place = (progress.step - SETTLED) % (STEPS + 1)
            if progress.step >= SETTLED and place == 0 and len(pairs) < rounds:
                peer_step()
                begun = time.perf_counter()
                for _ in range(STEPS):
                    peer_step()
                pairs.append((0.0, _rate(begun)))
            elif progress.step > SETTLED and place == 1:  # one step to settle after the peer's
                begun = time.perf_counter()
            elif progress.step > SETTLED and place == STEPS:
                pairs[-1] = (_rate(begun) * (STEPS - 1) / STEPS, pairs[-1][1])

        with tempfile.TemporaryDirectory() as place:
            run = Run.create(Path(place) / "run", {"name": "bench"}, {}, {})
            trainer.fit(Training(model, _batches(), run, 0, torch.device("cpu"), report))
        return pairs

    return measure


def _rate(begun: float) -> float:
    return STEPS * BATCH * CONTEXT / (time.perf_counter() - begun)


@cache
def _batches() -> Batches:
    """A million random characters, through the same encoding and memory maps as any text."""
    letters = "".join(map(chr, range(33, 33 + VOCABULARY - 2)))
    text = "".join(np.random.default_rng(0).choice(list(letters), 1_000_000))
    place = Path(tempfile.mkdtemp())
    (place / "text.txt").write_text(text)
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    data = resolve_part(DataPart, {"use": "text", "files": ["text.txt"]}).assemble(DataSite(place))
    tokenizer = resolve_part(TokenizerPart, "char").assemble(TokenizerSite(lambda: training_texts(data)))
    splits: tuple[Split, ...] = ("train", "valid")
    encoded = {split: encode(data, tokenizer, split, place) for split in splits}
    return Batches(encoded, "sequence", CONTEXT, tokenizer.end)
