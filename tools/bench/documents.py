"""The rows of documents: a training step on windows of 8 documents, masked, against the same windows read as one text.

Two layers of each mixer, through the model's own loss and its gradient. Attention over documents is cheaper than over
the whole window; what a recurrence pays is the reset of its state.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from measuring import Measure, Pair, one_by_one
from torch import nn

from partwise.assembly.build import assemble
from partwise.data import Batch
from partwise.modules import TrainingLoss
from partwise.parts import ModelPart, ModelSite, resolve_part

VOCABULARY, WIDTH, HEADS, LENGTH, BATCH, DOCUMENTS = 256, 128, 4, 1024, 4, 8

MIXERS: dict[str, dict[str, object]] = {
    "multi_head": {"heads": HEADS},
    "gated_linear_attention": {"heads": HEADS},
    "mamba2": {},
    "lstm": {},
}
WANTED: dict[str, float | None] = {
    "multi_head": None,
    "gated_linear_attention": 0.91,
    "mamba2": 0.91,
    "lstm": None,
}
"""Least ratio to the open ones: a linear mixer may pay a tenth for its resets."""


def masked(name: str) -> Callable[[], Measure]:
    """Tokens per second with documents that are masked, and with documents that are open."""

    def prepare() -> Measure:
        block = {"use": "pre_norm", "mixer": {"use": name, **MIXERS[name]}}
        choice = {"use": "language_model", "width": WIDTH, "context": LENGTH, "blocks": [block, block]}
        model = assemble(resolve_part(ModelPart, choice), ModelSite(VOCABULARY), seed=0)
        loss = TrainingLoss(model)
        network = cast(nn.Module, model).train()
        ids = torch.from_numpy(np.random.default_rng(0).integers(VOCABULARY, size=(BATCH, LENGTH + 1)))
        tokens, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
        batches = Batch(tokens, targets, documents=_documents()), Batch(tokens, targets)

        def rate(batch: Batch) -> float:
            begun = time.perf_counter()
            network.zero_grad()
            loss(batch)[0].backward()
            return BATCH * LENGTH / (time.perf_counter() - begun)

        def measure() -> Pair:
            return rate(batches[0]), rate(batches[1])

        return one_by_one(measure)

    return prepare


def _documents() -> torch.Tensor:
    """[B, T], borders anywhere."""
    begins = np.zeros((BATCH, LENGTH), np.int64)
    drawn = np.random.default_rng(1)
    for row in begins:
        row[drawn.choice(np.arange(1, LENGTH), DOCUMENTS - 1, replace=False)] = 1
    return torch.from_numpy(begins.cumsum(1))
