"""Queries, keys and values as delta networks make them: linear maps, short convolutions, SiLU, keys of length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import CausalConvolution

from .delta import unit
from .shape import Heads

if TYPE_CHECKING:
    from partwise.modules import Flow, State


class Inputs(nn.Module):
    """x [B, T, C] to queries and keys [B, T, H, K] of length 1, and values [B, T, H, V].

        q, k, v = silu(convolution(linear map of x)), each; q and k divided by their lengths

    The convolution has `kernel` taps per feature; with 0 there is none. A state is that of the convolution.
    """

    def __init__(self, width: int, heads: Heads, kernel: int) -> None:
        super().__init__()
        self.heads, self.sizes = heads, [heads.keys, heads.keys, heads.values]
        self.project = nn.Linear(width, sum(self.sizes), bias=False)
        self.project.stacked = self.sizes  # type: ignore[assignment]
        self.convolution = CausalConvolution(sum(self.sizes), kernel, bias=False) if kernel else None

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> tuple[Tensor, Tensor, Tensor]:
        x = self.project(x)
        if self.convolution is not None:
            x = self.convolution(x, flow, state)
        q, k, v = (self.heads.split(part) for part in F.silu(x).split(self.sizes, -1))
        return unit(q), unit(k), v

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return {} if self.convolution is None else self.convolution.empty_state(batch, length, like)
