"""Rows of running text: windows of a fixed length.

Shapes: B rows, T positions.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from .batch import IGNORED, Batch
from .encoded import EncodedSplit
from .rows import Indices, token_ids


class Windows:
    """Training draws windows of `context` tokens at any offset; evaluation takes them side by side."""

    def __init__(self, split: EncodedSplit, context: int, end: int) -> None:
        self.tokens = np.asarray(split.tokens)
        self.context = context
        self.end = end
        self.draws = max(len(self.tokens) - context, 0)
        self.count = -(-(len(self.tokens) - 1) // context)
        # A view of all windows costs nothing: picking rows of it copies only those.
        self.windows = sliding_window_view(self.tokens, context + 1) if self.draws else None

    def drawn(self, indices: Indices) -> Batch:
        assert self.windows is not None, "nothing is drawn from a split without windows"
        picked = self.windows[indices]
        return Batch(token_ids(picked[:, :-1]), token_ids(picked[:, 1:]))

    def listed(self, indices: Indices) -> Batch:
        starts = indices * self.context
        if starts[-1] < self.draws:
            return self.drawn(starts)
        places = starts[:, None] + np.arange(self.context + 1)
        picked = self.tokens.take(places, mode="clip").astype(np.int64)
        real = places[:, 1:] < len(self.tokens)  # the positions that have a target
        return Batch(
            token_ids(np.where(real, picked[:, :-1], self.end)),
            token_ids(np.where(real, picked[:, 1:], IGNORED)),
            padding=torch.from_numpy(real),
        )
