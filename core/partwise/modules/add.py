"""`Add`: the residual connection that adds a branch to the stream (He et al. 2016)."""

from __future__ import annotations

from torch import Tensor, nn


class Add(nn.Module):
    """x + branch."""

    def read(self, stream: Tensor) -> Tensor:
        return stream

    def write(self, stream: Tensor, branch: Tensor) -> Tensor:
        return stream + branch
