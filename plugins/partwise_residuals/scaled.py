"""Constants in front of stream and branch."""

from __future__ import annotations

from torch import Tensor, nn


class Scaled(nn.Module):
    """stream_factor x + branch_factor f(x)."""

    def __init__(self, stream: float, branch: float) -> None:
        super().__init__()
        self.stream_factor, self.branch_factor = stream, branch

    def read(self, stream: Tensor) -> Tensor:
        return stream

    def write(self, stream: Tensor, branch: Tensor) -> Tensor:
        kept = stream if self.stream_factor == 1.0 else stream * self.stream_factor
        return kept.add(branch, alpha=self.branch_factor)
