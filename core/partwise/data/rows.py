"""What the rows of batches are cut from: one split, as rows for one kind of model."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from .batch import Batch
from .encoded import Array

Indices = npt.NDArray[np.int64]


class Rows(Protocol):
    """The rows of one split; training and evaluation may cut them differently."""

    draws: int
    """Rows that training may draw from."""
    count: int
    """Rows that cover the split, each token once."""

    def drawn(self, indices: Indices) -> Batch:
        """A batch of rows below `draws`."""
        ...

    def listed(self, indices: Indices) -> Batch:
        """A batch of rows below `count`."""
        ...


def token_ids(array: Array) -> torch.Tensor:
    """An array of token ids as the int64 tensor that models read."""
    return torch.from_numpy(array.astype(np.int64))
