"""Root-mean-square norm of groups of features (Wu & He 2018 without the mean; the norm of Mamba-2's mixers)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GroupRMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * gain, with a mean of its own for each of `groups` runs of adjacent features."""

    weight: nn.Parameter | None

    def __init__(self, width: int, groups: int, eps: float = 1e-6, affine: bool = True) -> None:
        super().__init__()
        self.width = width
        self.groups = groups
        self.eps = eps
        self.register_parameter("weight", nn.Parameter(torch.empty(width)) if affine else None)
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        grouped = x.unflatten(-1, (self.groups, -1))
        normed = F.rms_norm(grouped, (self.width // self.groups,), eps=self.eps).flatten(-2)
        return normed if self.weight is None else normed * self.weight

    def reset_parameters(self) -> None:
        if self.weight is not None:
            nn.init.ones_(self.weight)

    def extra_repr(self) -> str:
        return f"{self.width}, groups={self.groups}, eps={self.eps:g}"
