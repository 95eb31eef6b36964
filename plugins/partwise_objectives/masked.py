"""Masked language modelling.

Shapes: B batch, T positions.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from partwise.data import IGNORED, Batch
from partwise.modules import NextToken

from .drawing import uniform_per_token


class MaskedObjective(NextToken):
    """Hides tokens, and scores the prediction of what stood there, at the position itself.

    Of the tokens drawn, a share `kept` is left as it is, a share `random` replaced by any token below `others`, and the
    rest by `mask`. One token of a row at least is drawn.
    """

    likelihood = False

    def __init__(self, mask: int, others: int, rate: float, random: float, kept: float) -> None:
        super().__init__()
        self.mask, self.others, self.rate, self.random, self.kept = mask, others, rate, random, kept

    def pose(self, batch: Batch, salt: int | None) -> Batch:
        tokens = batch.tokens
        there = torch.ones_like(tokens, dtype=torch.bool) if batch.padding is None else batch.padding
        # Three numbers for each token of a row: which are drawn, how, and for what.
        which, how, what = uniform_per_token(batch, salt, "masked", 3).unbind(-1)
        which = which.masked_fill(~there, 2.0)
        least = which.min(1, keepdim=True).values
        chosen = ((which < self.rate) | (which == least)) & there
        others = (what * self.others).long()
        read = torch.where(how < self.random, others, self.mask)
        read = torch.where(how >= 1 - self.kept, tokens, read)
        return replace(batch, tokens=torch.where(chosen, read, tokens), targets=torch.where(chosen, tokens, IGNORED))
