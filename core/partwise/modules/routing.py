"""Experts: what a router decides, and how a layer hands rows to several layers at once.

Shapes: N tokens of a batch (B * T of them, row by row), K experts for each, E experts, M assignments in all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Routing:
    """Which experts take which tokens, and the factor of what each gives.

    Where every token has K experts, `experts` and `weights` are [N, K]; else they are [M], and so is `tokens`.
    """

    experts: Tensor
    """Index of the expert, int64."""
    weights: Tensor
    """Factor of what the expert gives; in float32 at least."""
    tokens: Tensor | None = None
    """[M] int64, index of the token among the N; None where every token has K experts."""

    def shares(self, tokens: int, experts: int) -> Tensor:
        """The weights as a table [N, E], with 0 where an expert does not take a token."""
        if self.tokens is None:
            return self.weights.new_zeros(tokens, experts).scatter_add(1, self.experts, self.weights)
        cells = self.tokens * experts + self.experts
        return self.weights.new_zeros(tokens * experts).scatter_add(0, cells, self.weights).view(tokens, experts)


@dataclass(frozen=True)
class Groups:
    """Rows [M, ...] that lie sorted by the layer that each is for."""

    layers: Tensor
    """[M] int64, index of the layer of each row, ascending."""
    ends: Tensor
    """[E] int32, where the rows of each layer end."""


def groups_of(layers: Tensor, count: int) -> Groups:
    """The groups of rows that lie sorted by their layers, of which there are `count`."""
    sizes = torch.zeros(count, dtype=torch.int32, device=layers.device)
    sizes = sizes.scatter_add(0, layers, torch.ones_like(layers, dtype=torch.int32))
    return Groups(layers, sizes.cumsum(0, dtype=torch.int32))
