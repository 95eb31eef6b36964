"""ReZero (Bachlechner et al. 2021): every branch begins switched off."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ReZero(nn.Module):
    """x + factor f(x), with a factor [1] that begins at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.factor)

    def read(self, stream: Tensor) -> Tensor:
        return stream

    def write(self, stream: Tensor, branch: Tensor) -> Tensor:
        return stream + self.factor.to(branch.dtype) * branch
