"""Gated attention: the outputs of heads are scaled by what the attention's input asks for."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class SigmoidGating(nn.Module):
    """y * sigma(W x + b) for the mixed values y of all heads, before the output projection.

    Qiu et al. (2025, arXiv:2505.06708), at the place that they call G1: a gate per feature of each head, or
    one per head. It makes the map from values to outputs nonlinear, and lets a head fall silent without a sink.
    """

    def __init__(self, width: int, heads: int, head_width: int, per: Literal["feature", "head"], bias: bool) -> None:
        super().__init__()
        self.gates = head_width if per == "feature" else 1
        self.linear = nn.Linear(width, heads * self.gates, bias=bias)

    def forward(self, heads: Tensor, x: Tensor) -> Tensor:
        """Heads [B, H, T, D] and the attention's input [B, T, C] to [B, H, T, D]."""
        gates = torch.sigmoid(self.linear(x)).unflatten(-1, (-1, self.gates)).transpose(1, 2)
        return heads * gates.to(heads.dtype)
