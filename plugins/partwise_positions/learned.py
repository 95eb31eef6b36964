"""Learned absolute positions (Gehring et al. 2017; BERT, GPT-2): one vector per position, added to the embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .encoder import Encoder


class LearnedPositions(Encoder):
    """Adds row p + offset of a table [max_positions + offset, width] to what stands at position p.

    Raises:
        ValueError: a position lies beyond the table. (On a GPU this is raised only for a text that is too long; one
            position beyond the table fails in the look-up itself, like any index there.)
    """

    max_positions: int
    parameter_roles: ClassVar[Mapping[str, str]] = {"weight": "embedding"}

    def __init__(self, max_positions: int, width: int, offset: int = 0) -> None:
        super().__init__()
        self.max_positions = max_positions
        self.offset = offset
        self.weight = nn.Parameter(torch.empty(max_positions + offset, width))
        self.reset_parameters()

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        if positions.shape[-1] > self.max_positions:
            raise self._beyond(positions.shape[-1] - 1)
        try:
            return x + F.embedding(positions + self.offset if self.offset else positions, self.weight)
        except IndexError:
            raise self._beyond(int(positions.max())) from None

    def _beyond(self, position: int) -> ValueError:
        return ValueError(
            f"position {position} lies beyond the {self.max_positions} positions learned (counted from 0); shorten "
            "the text, or train with a larger context or with positions that know no end, such as rope"
        )

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.02)

    def extra_repr(self) -> str:
        return f"max_positions={self.max_positions}{f', offset={self.offset}' if self.offset else ''}"
