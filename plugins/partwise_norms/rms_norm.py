"""Root-mean-square norm (Zhang & Sennrich 2019): a layer norm that leaves the mean alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * gain over the last dimension, of size `width`.

    In half precision the quotient is computed in float32. The next step differs between families, whose weights
    depend on it: the plain gain multiplies after the cast back to the dtype of x (Llama); a gain of
    1 + weight (`unit_offset`) multiplies before it (Gemma).
    """

    weight: nn.Parameter | None

    def __init__(self, width: int, eps: float = 1e-6, affine: bool = True, unit_offset: bool = False) -> None:
        super().__init__()
        self.width = width
        self.eps = eps
        self.unit_offset = unit_offset
        self.register_parameter("weight", nn.Parameter(torch.empty(width)) if affine else None)
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        if self.weight is None:
            return F.rms_norm(x, (self.width,), eps=self.eps)
        if self.unit_offset:
            exact = torch.promote_types(x.dtype, torch.float32)
            return (F.rms_norm(x.to(exact), (self.width,), eps=self.eps) * (1 + self.weight.to(exact))).to(x.dtype)
        return F.rms_norm(x, (self.width,), eps=self.eps) * self.weight

    def reset_parameters(self) -> None:
        if self.weight is not None:
            nn.init.constant_(self.weight, 0.0 if self.unit_offset else 1.0)

    def extra_repr(self) -> str:
        return f"{self.width}, eps={self.eps:g}{', unit_offset' if self.unit_offset else ''}"
