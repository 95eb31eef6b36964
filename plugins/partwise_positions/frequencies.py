"""The geometric series of frequencies behind sinusoidal and rotary positions, and how to scale it.

A position p turns pair i by the angle p * f_i, where f_i = base^(-2i / width): the first pair turns by one
radian per position, the last by about 1 / base.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Scaling = Callable[[Tensor], Tensor]
"""From frequencies to frequencies."""


def frequencies(width: int, base: float, scaling: Scaling | None = None) -> Tensor:
    """f_i for every pair of `width` features, half as many, rounded up: radians per position, float32."""
    exponents = torch.arange(0, width, 2, dtype=torch.float32) / width
    ladder: Tensor = 1.0 / base**exponents
    return ladder if scaling is None else scaling(ladder)


def turns(positions: Tensor, ladder: Tensor) -> Tensor:
    """p * f_i in float32: positions [...] and frequencies [F] to angles [..., F]."""
    return positions.unsqueeze(-1).to(torch.float32) * ladder


@dataclass(frozen=True)
class LinearScaling:
    """Every frequency divided by `factor`: as if positions stood closer together (Chen et al. 2023)."""

    factor: float

    def __call__(self, ladder: Tensor) -> Tensor:
        return ladder / self.factor


@dataclass(frozen=True)
class Llama3Scaling:
    """Slow frequencies divided by `factor`, fast ones kept, those between blended (Llama 3.1, 2024).

    A pair's speed is its number of turns within `original_context` positions: fewer than `low_frequency_factor` are
    slow, more than `high_frequency_factor` are fast. Between the two, the share of the frequency that is kept grows
    linearly with the number of turns.
    """

    factor: float
    low_frequency_factor: float
    high_frequency_factor: float
    original_context: int

    def __call__(self, ladder: Tensor) -> Tensor:
        rounds = self.original_context * ladder / (2 * math.pi)
        between = self.high_frequency_factor - self.low_frequency_factor
        kept = ((rounds - self.low_frequency_factor) / between).clamp(0, 1)
        return kept * ladder + (1 - kept) * ladder / self.factor
