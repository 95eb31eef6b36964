"""KERPLE (Chi et al. 2022, arXiv:2205.09921): a bias that falls with distance as a kernel, whose shape is learned."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .encoder import Encoder

Kernel = Literal["log", "power"]
SMALLEST = 0.01
"""Least first value of a number that must be positive."""


class KernelBiases(Encoder):
    """For a distance d and two numbers a and p of each head (r1 and r2 of the paper, in one order or the other):

        log    bias = -p log(1 + a d),  a > 0, p > 0
        power  bias = -a d^p,           a > 0, 0 < p <= 2

    `scale` and `shape` hold them so that no update can leave the range: a = softplus(scale), and p = softplus(shape) or
    2 sigmoid(shape). First values are those of the code that the paper published: a uniform in (0, 1), p in (0, 2).
    """

    def __init__(self, heads: int, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel
        self.scale = nn.Parameter(torch.empty(heads))
        self.shape = nn.Parameter(torch.empty(heads))
        self.reset_parameters()

    def bias_table(self, offsets: Tensor) -> Tensor:
        """[H, N], float32 or better."""
        exact = torch.promote_types(self.scale.dtype, torch.float32)
        distance, shape = offsets.abs().to(exact), self.shape.to(exact)[:, None]
        a = F.softplus(self.scale.to(exact))[:, None]
        if self.kernel == "log":
            return -F.softplus(shape) * torch.log1p(a * distance)
        # 0^p has no slope that is a number, so 1^p stands in its place, times 0.
        return -a * distance.clamp(min=1) ** (2 * shape.sigmoid()) * (distance > 0)

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.scale.uniform_(SMALLEST, 1).expm1_().log_()
            self.shape.uniform_(SMALLEST, 2 - SMALLEST)
            self.shape.copy_(self.shape.expm1().log() if self.kernel == "log" else (self.shape / 2).logit())

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}"
