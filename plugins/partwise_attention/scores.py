"""How well a query matches a key: dot products, scaled or not, and the additive score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn


class DotScore(nn.Module):
    """s(q, k) = scale * q . k, the score of Luong et al. (2015) and, scaled by D^-1/2, of Vaswani et al. (2017)."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return (queries @ keys.transpose(-2, -1)) * self.scale

    def extra_repr(self) -> str:
        return f"scale={self.scale:g}"


class AdditiveScore(nn.Module):
    """s(q, k) = v . tanh(q + k), one vector v per head (Bahdanau et al. 2015).

    The paper's W_1 and W_2 are the query and key projections of the attention that uses it. It holds
    [B, H, T, S, D] numbers in memory.
    """

    scale = None
    parameter_roles: ClassVar[Mapping[str, str]] = {"vector": "vector"}

    def __init__(self, heads: int, head_width: int, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor
        self.vector = nn.Parameter(torch.empty(heads, head_width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.vector, std=self.vector.shape[1] ** -0.5)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        mixed = torch.tanh(queries.unsqueeze(-2) + keys.unsqueeze(-3))
        vector = self.vector if self.factor == 1.0 else self.vector * self.factor
        return torch.einsum("bhtsd,hd->bhts", mixed, vector)
