"""`Weighted`: a residual connection whose branches join with a constant factor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from .protocols import Residual


class Weighted(nn.Module):
    """`residual`, given each branch times `factor`."""

    def __init__(self, residual: Residual, factor: float) -> None:
        super().__init__()
        self.residual, self.factor = residual, factor

    def read(self, stream: Tensor) -> Tensor:
        return self.residual.read(stream)

    def write(self, stream: Tensor, branch: Tensor) -> Tensor:
        return self.residual.write(stream, branch * self.factor)

    def extra_repr(self) -> str:
        return f"factor={self.factor:g}"
