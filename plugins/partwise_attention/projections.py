"""One matrix multiplication for several projections of the same input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FusedLinear(nn.Module):
    """Linear maps of one input to several outputs, stacked into one weight [sum(sizes), width].

    Each may have a bias or not. One large multiplication is faster than several small ones.
    """

    def __init__(self, width: int, sizes: Sequence[int], biased: Sequence[bool]) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.biased = list(biased)
        self.linear = nn.Linear(width, sum(sizes), bias=all(biased))
        self.linear.stacked = list(sizes)  # type: ignore[assignment]
        mixed = any(biased) and not all(biased)
        length = sum(size for size, has in zip(sizes, biased, strict=True) if has)
        self.some_bias = nn.Parameter(torch.zeros(length)) if mixed else None

    def reset_parameters(self) -> None:
        if self.some_bias is not None:
            nn.init.zeros_(self.some_bias)

    def forward(self, x: Tensor) -> Sequence[Tensor]:
        outputs = self.linear(x).split_with_sizes(self.sizes, dim=-1)
        if self.some_bias is None:
            return outputs
        biases = iter(self.some_bias.split([size for size, has in zip(self.sizes, self.biased, strict=True) if has]))
        return [out + next(biases) if has else out for out, has in zip(outputs, self.biased, strict=True)]
