"""The position encoder that acts nowhere; the others override the place where they act."""

from __future__ import annotations

from torch import Tensor, nn


class Encoder(nn.Module):
    """Fulfils `partwise.modules.PositionEncoder` and gives the model no positions."""

    max_positions: int | None = None

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        return x

    def angles(self, positions: Tensor) -> tuple[Tensor, ...] | None:
        return None

    def rotate(self, heads: Tensor, angles: tuple[Tensor, ...]) -> Tensor:
        return heads

    def bias_table(self, offsets: Tensor) -> Tensor | None:
        return None
