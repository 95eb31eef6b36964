"""Hard-ALiBi (Jelassi et al. 2024, arXiv:2402.01032): heads that see a few tokens only, beside heads that see all."""

from __future__ import annotations

import torch
from torch import Tensor

from .encoder import Encoder

HIDDEN = -30_000.0
"""Added to the score of what a head does not see: no weight is left of it in any precision, and it is finite in all."""


class HardLinearBiases(Encoder):
    """Head h of the first `masked_heads`, counted from 1, sees h tokens: its own and the h - 1 nearest. The others see
    all, without any position.

    As for ALiBi, attention that looks both ways sees as far ahead as back.
    """

    def __init__(self, heads: int, masked_heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.masked_heads = masked_heads

    def bias_table(self, offsets: Tensor) -> Tensor:
        """[H, N], float32."""
        head = torch.arange(self.heads, device=offsets.device)[:, None]
        hidden = (offsets.abs() > head) & (head < self.masked_heads)
        return torch.where(hidden, HIDDEN, 0.0)

    def extra_repr(self) -> str:
        return f"masked_heads={self.masked_heads} of {self.heads}"
