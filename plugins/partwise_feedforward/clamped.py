"""The gated feed-forward of gpt-oss (OpenAI 2025): a swish with a slope, both halves kept within a limit."""

from __future__ import annotations

import torch
from torch import Tensor

from .activations import identity
from .gated import GatedFeedForward


class ClampedGatedFeedForward(GatedFeedForward):
    """x [..., width] to (g * sigmoid(slope * g) * (u + 1)) Wd, where g = min(x Wg, limit) and u is x Wu, kept between
    -limit and limit."""

    def __init__(self, width: int, hidden: int, slope: float, limit: float, bias: bool, dropout: float) -> None:
        super().__init__(width, hidden, identity, bias, dropout)
        self.slope, self.limit = slope, limit

    def gated(self, gate: Tensor, up: Tensor) -> Tensor:
        gate, up = gate.clamp(max=self.limit), up.clamp(-self.limit, self.limit)
        return gate * torch.sigmoid(self.slope * gate) * (up + 1)

    def extra_repr(self) -> str:
        return f"slope={self.slope:g}, limit={self.limit:g}"
