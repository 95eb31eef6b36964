"""The loss of a suffix, given its prefix.

Shapes: B batch, T positions.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from partwise.data import IGNORED, Batch
from partwise.modules import NextToken

from .drawing import uniform_per_row


class PrefixObjective(NextToken):
    """Scores what follows the first `share` of the scored tokens of a row; None draws the share for each row."""

    likelihood = False

    def __init__(self, share: float | None) -> None:
        super().__init__()
        self.share = share

    def pose(self, batch: Batch, salt: int | None) -> Batch:
        scored = batch.targets != IGNORED
        count = scored.sum(1)
        if self.share is None:
            share = uniform_per_row(batch, salt, "prefix", 1)[:, 0]
        else:
            share = torch.full((len(count),), self.share, dtype=torch.float64)
        first = torch.minimum((share * count).long(), (count - 1).clamp_min(0))  # one token at least is scored
        seen = (scored.cumsum(1) - 1) < first[:, None]
        return replace(batch, targets=batch.targets.masked_fill(seen, IGNORED))
