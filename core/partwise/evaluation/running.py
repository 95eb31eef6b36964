"""Runs an evaluation in such a way that whatever goes on around it does not notice."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from partwise.errors import WorkError
from partwise.modules.modes import evaluating

from .figures import Figure
from .protocols import Evaluation
from .reader import Reader


def measured(evaluation: Evaluation, reader: Reader) -> dict[str, Figure]:
    """The figures of an evaluation; the model's mode and the random state stay what they were.

    Raises:
        InputError: the model cannot read what it is asked to read.
        WorkError: a figure is not finite.
    """
    devices = [reader.device] if reader.device.type == "cuda" else []
    # Not inference_mode: a table that a module computes once and keeps must still serve training afterwards.
    with torch.random.fork_rng(devices), evaluating(reader.model), torch.no_grad():
        found: Mapping[str, Figure] = evaluation.measure(reader)
    wrong = [name for name, one in found.items() if not math.isfinite(one.value)]
    if wrong:
        raise WorkError(f"{wrong[0]} is {found[wrong[0]].value}")
    return dict(found)


__all__ = ["measured"]
