"""Sinusoidal positions (Vaswani et al. 2017): waves from short to long, added to the embedding."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor

from .constant import Constant
from .encoder import Encoder
from .frequencies import frequencies, turns

Layout = Literal["interleaved", "half"]


class SinusoidalPositions(Encoder):
    """PE(p, 2i) = sin(p / base^(2i / width)), PE(p, 2i + 1) = cos(p / base^(2i / width)).

    Computed for the given positions, so there is no last one. An odd width drops the last cosine. `layout` "half" puts
    all sines before all cosines; `offset` is added to p; `inclusive` lets wavelengths end at 2 pi base exactly.
    """

    def __init__(
        self,
        width: int,
        base: float = 10_000.0,
        layout: Layout = "interleaved",
        offset: int = 0,
        inclusive: bool = False,
    ) -> None:
        super().__init__()
        self.width = width
        self.base = base
        self.layout = layout
        self.offset = offset
        self.inclusive = inclusive
        self.frequencies = Constant(partial(frequencies, width, base, inclusive))

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        angles = turns(positions + self.offset, self.frequencies.values)
        if self.layout == "half":
            waves = torch.cat((angles.sin(), angles.cos()), dim=-1)
        else:
            waves = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)
        return x + waves[..., : self.width].to(x.dtype)

    def extra_repr(self) -> str:
        more = ", inclusive" * self.inclusive
        return f"base={self.base:g}, layout={self.layout}, offset={self.offset}{more}"
