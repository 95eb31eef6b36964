"""How good a model is on a split: cross-entropy, perplexity, and bits per byte, which compares tokenizers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from .errors import InputError
from .interfaces import Model, Split

if TYPE_CHECKING:
    from .batches import Batches


@dataclass(frozen=True)
class Metrics:
    """Figures of one split."""

    loss: float
    """Nats per scored token."""
    perplexity: float
    """exp(loss): as unsure as if choosing among this many tokens."""
    bits_per_byte: float | None
    """Bits the model needs per byte of text; None where the tokenizer loses text, or cannot spell an unknown."""
    tokens: int
    """Scored tokens."""


def evaluate(
    model: Model,
    batches: Batches,
    split: Split,
    size: int,
    limit: int | None = None,
    device: torch.device | str = "cpu",
) -> Metrics:
    """Evaluates `model`, which is on `device`, in float32, on batches of `size` rows.

    A `limit` is how many batches at most, spread over the split; None takes all.

    Dropout is off meanwhile, nothing random is drawn, and the model's mode is as before when it returns.

    Raises:
        InputError: the split holds nothing that is scored.
    """
    losses: list[torch.Tensor] = []
    tokens = 0
    # Not inference_mode: a table that a module computes once and keeps must still serve training afterwards.
    with evaluating(model), torch.no_grad():
        for batch in batches.evaluation(split, size, limit):
            tokens += int(batch.scored)
            losses.append(model.loss(batch.to(device)))
    if not tokens:
        raise InputError(f"the {split} split holds no token to be scored: give the data more text, or evaluate another")
    # One transfer from the device in all; summed in double precision, in a fixed order.
    loss = float(torch.stack(losses).cpu().double().sum()) / tokens
    return Metrics(loss, perplexity(loss), batches.encoded[split].bits_per_byte(loss), tokens)


def perplexity(loss: float) -> float:
    """exp(loss); infinite where that is beyond a float."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Switches dropout and the like off for the length of a `with` block."""
    training = cast(nn.Module, model).training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
