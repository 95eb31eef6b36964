"""`evaluating`: a model switched to evaluation mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from torch import nn

from .protocols import Model


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Within it, the model is in evaluation mode: dropout and the like are off. Its mode is restored afterwards."""
    training = cast(nn.Module, model).training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
