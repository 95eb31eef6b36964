"""Training and evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from torch import nn

from .protocols import Model


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Switches dropout and the like off for the length of a `with` block."""
    training = cast(nn.Module, model).training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
