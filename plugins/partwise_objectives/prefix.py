"""The loss of a suffix, given its prefix.

Shapes: B batch, T positions, N documents of a row, at most.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from partwise.data import IGNORED, Batch
from partwise.modules import NextToken

from .drawing import uniform_per_row


class PrefixObjective(NextToken):
    """Scores what follows the first `share` of the scored tokens of a row; None draws the share for each row.

    Documents that share a row, and do not see each other, each have a prefix of their own.
    """

    likelihood = False

    def __init__(self, share: float | None) -> None:
        super().__init__()
        self.share = share

    def pose(self, batch: Batch, salt: int | None) -> Batch:
        scored = batch.targets != IGNORED
        document = _numbered(batch)
        count = scored.new_zeros(len(scored), int(document.max()) + 1, dtype=torch.int64)
        count = count.scatter_add(1, document, scored.long())
        if self.share is None:
            share = uniform_per_row(batch, salt, "prefix", count.shape[1])
        else:
            share = torch.full(count.shape, self.share, dtype=torch.float64)
        first = torch.minimum((share * count).long(), (count - 1).clamp_min(0))  # one token at least is scored
        before = count.cumsum(1) - count
        seen = (scored.cumsum(1) - 1) < (before + first).gather(1, document)
        return replace(batch, targets=batch.targets.masked_fill(seen, IGNORED))


def _numbered(batch: Batch) -> Tensor:
    """[B, T], which document of its row a token belongs to, from 0."""
    if batch.documents is None:
        return torch.zeros_like(batch.tokens)
    return pad(batch.documents[:, 1:] != batch.documents[:, :-1], (1, 0)).cumsum(1)
