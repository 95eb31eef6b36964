"""LoRA (Hu et al. 2021): what a layer learns is a product of two thin matrices, beside its weight."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LowRank(nn.Module):
    """x [..., I] to x W^T + bias + scale (dropout(x) A^T) B^T, with A [rank, I], and B [O, rank], which begins at 0.

    For a layer that is several layers of one input, with `outputs` of them, each has an A and a B of its own. They are
    kept one below the other: A [n rank, I], B [sum(outputs), rank].
    """

    parameter_roles: ClassVar[Mapping[str, str]] = {"a": "adapter", "b": "adapter"}

    def __init__(
        self,
        inputs: int,
        outputs: Sequence[int],
        rank: int,
        scale: float,
        dropout: float = 0.0,
        first: Literal["kaiming", "gaussian"] = "kaiming",
    ) -> None:
        super().__init__()
        self.outputs, self.rank, self.scale, self.dropout, self.first = list(outputs), rank, scale, dropout, first
        self.a = nn.Parameter(torch.empty(len(self.outputs) * rank, inputs))
        self.b = nn.Parameter(torch.empty(sum(self.outputs), rank))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.first == "kaiming":
            bound = 1 / math.sqrt(self.a.shape[1])
            nn.init.uniform_(self.a, -bound, bound)
        else:
            nn.init.normal_(self.a, std=1 / self.rank)
        nn.init.zeros_(self.b)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        y = F.linear(x, weight, bias)
        if self.dropout and self.training:
            x = F.dropout(x, self.dropout)
        thin = F.linear(x, self.a)
        if len(self.outputs) == 1:
            added = F.linear(thin, self.b)
        else:
            pairs = zip(thin.split(self.rank, dim=-1), self.b.split(self.outputs), strict=True)
            added = torch.cat([F.linear(one, b) for one, b in pairs], dim=-1)
        return y + self.scale * added

    def merged(self, weight: Tensor) -> Tensor:
        """weight + scale B A, layer by layer."""
        pairs = zip(self.b.split(self.outputs), self.a.split(self.rank), strict=True)
        return weight + self.scale * torch.cat([b @ a for b, a in pairs])

    def extra_repr(self) -> str:
        return f"rank={self.rank}, scale={self.scale:g}" + (f", dropout={self.dropout:g}" if self.dropout else "")
