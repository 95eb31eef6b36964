"""Sinusoidal positions (Vaswani et al. 2017): waves from short to long, added to the embedding."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from .constant import Constant
from .encoder import Encoder
from .frequencies import frequencies, turns


class SinusoidalPositions(Encoder):
    """PE(p, 2i) = sin(p / base^(2i / width)), PE(p, 2i + 1) = cos(p / base^(2i / width)).

    Computed for the given positions, so there is no last one. An odd width drops the last cosine.
    """

    def __init__(self, width: int, base: float = 10_000.0) -> None:
        super().__init__()
        self.width = width
        self.base = base
        self.frequencies = Constant(partial(frequencies, width, base))

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        angles = turns(positions, self.frequencies.values)
        waves = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)
        return x + waves[..., : self.width].to(x.dtype)

    def extra_repr(self) -> str:
        return f"base={self.base:g}"
