"""A norm for each head, with weights of its own."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class PerHead(nn.Module):
    """Heads [B, H, T, D], each normalised by a norm of D features that no other head uses."""

    def __init__(self, norms: Iterable[nn.Module]) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norms)

    def forward(self, heads: Tensor) -> Tensor:
        return torch.stack([norm(head) for norm, head in zip(self.norms, heads.unbind(1), strict=True)], dim=1)
