"""Layer norm whose gain is learned as its difference from 1 (LayerNorm1P; Nemotron-4, Parmar et al. 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class OffsetLayerNorm(nn.Module):
    """(x - mean) / sqrt(var + eps) * (1 + weight) + bias over the last dimension, of size `width`.

    In half precision the sum 1 + weight is rounded to it, as where the weights of Nemotron come from.
    """

    bias: nn.Parameter | None

    def __init__(self, width: int, eps: float = 1e-5, bias: bool = True) -> None:
        super().__init__()
        self.width = width
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(width))
        self.register_parameter("bias", nn.Parameter(torch.empty(width)) if bias else None)
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.width,), 1 + self.weight, self.bias, self.eps)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def extra_repr(self) -> str:
        return f"{self.width}, eps={self.eps:g}"
