"""Embeddings: modules that turn token ids into vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DenseEmbedding(nn.Embedding):
    """A learned table, one row of `width` features per token (Bengio et al. 2003)."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__(vocabulary, width)
        self.width = width

    def weight_for_head(self) -> Tensor | None:
        return self.weight


class SegmentedEmbedding(DenseEmbedding):
    """The vector of each token plus that of the first of `segments`: [B, T] to [B, T, width]."""

    parameter_roles: ClassVar[Mapping[str, str]] = {"segment": "embedding"}

    def __init__(self, vocabulary: int, width: int, segments: int) -> None:
        super().__init__(vocabulary, width)
        self.segment = nn.Parameter(torch.empty(segments, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if hasattr(self, "segment"):  # not yet when the table is made
            nn.init.normal_(self.segment, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens) + self.segment[0]


class OneHotEmbedding(nn.Module):
    """The indicator vector of each token, [B, T] to [B, T, V]: 1 at the token's id, 0 elsewhere."""

    one: Tensor

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.width = vocabulary
        # There is no weight whose dtype says what the model was cast to; this buffer does.
        self.register_buffer("one", torch.ones(()), persistent=False)

    def reset_parameters(self) -> None:
        nn.init.ones_(self.one)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.one_hot(tokens, self.width).to(self.one.dtype)

    def weight_for_head(self) -> Tensor | None:
        return None
