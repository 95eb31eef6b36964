"""Attention with linear biases, ALiBi (Press et al. 2022): the further apart, the lower the score."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from .constant import Constant
from .encoder import Encoder


class LinearBiases(Encoder):
    """bias = -slope * |i - j| with a fixed slope per head.

    In the paper attention looks back only, where i - j is never negative. Attention that looks both ways has the same
    formula, so the bias is symmetric; the mask hides what must not be seen. `factor` multiplies every slope.
    """

    def __init__(self, heads: int, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor
        self.slopes = Constant(partial(slopes, heads, factor))

    def bias_table(self, offsets: Tensor) -> Tensor:
        """[H, N], float32."""
        return -self.slopes.values[:, None] * offsets.abs()

    def extra_repr(self) -> str:
        return f"factor={self.factor:g}"


def slopes(heads: int, factor: float = 1.0) -> Tensor:
    """2^(-8/n), 2^(-16/n), ..., 2^-8 for n heads, n a power of two, times a factor: float32, [H].

    For other counts, as published: those of the next smaller power of two, then every other one of the next
    larger.
    """
    power = 2 ** math.floor(math.log2(heads))
    ladder = [2 ** (-8 * k / power) for k in range(1, power + 1)]
    between = [2 ** (-8 * k / (2 * power)) for k in range(1, 2 * power + 1, 2)]
    return factor * torch.tensor((ladder + between)[:heads], dtype=torch.float32)
