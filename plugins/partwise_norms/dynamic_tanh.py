"""Dynamic tanh, DyT (Zhu et al. 2025): squashes outliers as a norm does, without computing any statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DynamicTanh(nn.Module):
    """tanh(alpha * x) * weight + bias; `alpha` is one number, `weight` and `bias` have one per feature."""

    def __init__(self, width: int, first_alpha: float = 0.5) -> None:
        super().__init__()
        self.first_alpha = first_alpha
        self.alpha = nn.Parameter(torch.empty(1))
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.bias, torch.tanh(self.alpha * x), self.weight)

    def reset_parameters(self) -> None:
        nn.init.constant_(self.alpha, self.first_alpha)
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, alpha={self.first_alpha:g}"
