"""Stochastic depth (Huang et al. 2016): in training, a branch is left out for some of the rows.

Shapes: B batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """In training x + f(x) / (1 - drop) with probability 1 - drop for each row, else x. In evaluation x + f(x)."""

    def __init__(self, drop: float) -> None:
        super().__init__()
        self.drop = drop

    def read(self, stream: Tensor) -> Tensor:
        return stream

    def write(self, stream: Tensor, branch: Tensor) -> Tensor:
        if not self.training or not self.drop:
            return stream + branch
        keep = 1 - self.drop
        rows = torch.rand(branch.shape[0], *(1,) * (branch.ndim - 1), device=branch.device) < keep
        return stream + branch * (rows.to(branch.dtype) / keep)
