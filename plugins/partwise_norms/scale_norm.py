"""ScaleNorm (Nguyen & Salazar 2019): gives every vector one learned length."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ScaleNorm(nn.Module):
    """g * x / max(|x|, eps) over the last dimension; g is one number, at first sqrt(width).

    Lengths are computed in float32, or in the dtype of x if that is more precise.
    """

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.width = width
        self.eps = eps
        self.length = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        return F.normalize(exact, dim=-1, eps=self.eps).to(x.dtype) * self.length

    def reset_parameters(self) -> None:
        nn.init.constant_(self.length, self.width**0.5)

    def extra_repr(self) -> str:
        return f"{self.width}, eps={self.eps:g}"
