"""The first sizes of the steps by which state spaces go on, as in the authors' code.

They are drawn evenly on a logarithmic scale; the bias is what softplus makes them from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FLOOR = 1e-4
"""No step begins smaller."""


@dataclass(frozen=True)
class Steps:
    """Between which sizes steps begin."""

    least: float
    most: float

    def draw_bias(self, bias: Tensor) -> None:
        """Fills a bias so that softplus of it is such a size."""
        low, high = math.log(self.least), math.log(self.most)
        with torch.no_grad():
            sizes = bias.uniform_(low, high).exp_().clamp_(min=FLOOR)
            bias.copy_(sizes + torch.log(-torch.expm1(-sizes)))
