"""A skip from the embedding to every branch.

The stream is [B, T, 2, C]: the vectors, and what they were below the first layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FirstStream(nn.Module):
    """x' = weights[0] x + weights[1] x_0, which the branch reads; then x' + f(x')."""

    def __init__(self, stream: float, first: float) -> None:
        super().__init__()
        self.begin = (stream, first)
        self.weights = nn.Parameter(torch.empty(2))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.weights.copy_(torch.tensor(self.begin))

    def read(self, stream: Tensor) -> Tensor:
        weights = self.weights.to(stream.dtype)
        return weights[0] * stream[..., 0, :] + weights[1] * stream[..., 1, :]

    def write(self, stream: Tensor, branch: Tensor) -> Tensor:
        return torch.stack((self.read(stream) + branch, stream[..., 1, :]), dim=-2)


class FirstStreamEnds(nn.Module):
    """Keeps x_0 beside the vectors."""

    def open(self, x: Tensor) -> Tensor:
        return torch.stack((x, x), dim=-2)

    def close(self, stream: Tensor) -> Tensor:
        return stream[..., 0, :]
