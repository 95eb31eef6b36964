"""LayerScale (Touvron et al. 2021): a learned factor for every feature of a branch."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    """x + gain f(x), with a gain [C] that begins at `first`."""

    def __init__(self, width: int, first: float) -> None:
        super().__init__()
        self.first = first
        self.gain = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.gain, self.first)

    def read(self, stream: Tensor) -> Tensor:
        return stream

    def write(self, stream: Tensor, branch: Tensor) -> Tensor:
        return stream + self.gain.to(branch.dtype) * branch
