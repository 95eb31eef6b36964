"""Gated feed-forward layers (Dauphin et al. 2017; Shazeer 2020): one half decides how much of the other passes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .feedforward import Activation, name_of


class GatedFeedForward(nn.Module):
    """x [..., width] to (activation(x Wg) * x Wu) Wd, with dropout on the hidden features.

    Gate and up are two layers, as in Llama's and Gemma's weights: fused into one matrix they were no faster at
    widths from 128 to 512 on a CPU, because the halves of its output are strided. `down` carries
    `ends_residual_branch`, by which an initializer recognises it.
    """

    def __init__(self, width: int, hidden: int, activation: Activation, bias: bool = False, dropout: float = 0) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias)
        self.up = nn.Linear(width, hidden, bias)
        self.activation = activation
        self.dropout = dropout
        self.down = nn.Linear(hidden, width, bias)
        self.down.ends_residual_branch = True  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.activation(self.gate(x)) * self.up(x)
        return self.down(F.dropout(hidden, self.dropout) if self.dropout and self.training else hidden)

    def extra_repr(self) -> str:
        return name_of(self.activation)
