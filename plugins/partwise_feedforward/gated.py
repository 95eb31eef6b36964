"""Gated feed-forward layers (Dauphin et al. 2017; Shazeer 2020): one half decides how much of the other passes."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .feedforward import Activation, name_of


class GatedFeedForward(nn.Module):
    """x [..., width] to (activation(x Wg) * x Wu) Wd, with dropout on the hidden features.

    Gate and up are two layers, as in Llama's and Gemma's weights: fused into one matrix they were no faster at
    widths from 128 to 512 on a CPU, because the halves of its output are strided. `down` carries
    `ends_residual_branch`, by which an initializer recognises it.
    """

    reads_flow = False
    takes_groups = True

    def __init__(self, width: int, hidden: int, activation: Activation, bias: bool = False, dropout: float = 0) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias)
        self.up = nn.Linear(width, hidden, bias)
        self.activation = activation
        self.dropout = dropout
        self.down = nn.Linear(hidden, width, bias)
        self.down.ends_residual_branch = True  # type: ignore[assignment]

    def forward(self, x: Tensor, *groups: Any) -> Tensor:
        hidden = self.gated(self.gate(x, *groups), self.up(x, *groups))
        if self.dropout and self.training:
            hidden = F.dropout(hidden, self.dropout)
        return self.down(hidden, *groups)

    def gated(self, gate: Tensor, up: Tensor) -> Tensor:
        """The hidden features [..., hidden], of the two halves."""
        return self.activation(gate) * up

    def extra_repr(self) -> str:
        return name_of(self.activation)
