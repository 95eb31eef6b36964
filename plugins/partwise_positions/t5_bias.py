"""T5's relative positions (Raffel et al. 2020): a learned bias per head and per bucket of distances.

Short distances have a bucket each; longer ones share buckets that widen logarithmically up to `max_distance`,
beyond which all distances share one bucket.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from .constant import Constant
from .encoder import Encoder


class BucketBiases(Encoder):
    """A table `weight` [buckets, H]; with `bidirectional`, half of the buckets is for keys that come after."""

    parameter_roles: ClassVar[Mapping[str, str]] = {"weight": "embedding"}

    def __init__(self, heads: int, buckets: int, max_distance: int, bidirectional: bool, std: float) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.std = std
        self.weight = nn.Parameter(torch.empty(buckets, heads))
        self.buckets = Constant(partial(bucket_table, buckets, max_distance, bidirectional))
        self.reset_parameters()

    def bias_table(self, offsets: Tensor) -> Tensor:
        """[H, N], of the dtype of the table."""
        known = offsets.clamp(-self.max_distance, self.max_distance) + self.max_distance
        return self.weight[self.buckets.values[known]].t()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.std)

    def extra_repr(self) -> str:
        return f"max_distance={self.max_distance}"


def bucket_table(buckets: int, max_distance: int, bidirectional: bool) -> Tensor:
    """Bucket of every offset key - query from -max_distance to max_distance, int64, [2 * max_distance + 1]."""
    offsets = torch.arange(-max_distance, max_distance + 1)
    if bidirectional:
        buckets //= 2
        first, distances = (offsets > 0) * buckets, offsets.abs()
    else:
        first, distances = torch.zeros_like(offsets), (-offsets).clamp(min=0)
    exact = buckets // 2
    ratio = torch.log(distances.clamp(min=1) / exact) / math.log(max_distance / exact)
    shared = (exact + (ratio * (buckets - exact)).long()).clamp(max=buckets - 1)
    return first + torch.where(distances < exact, distances, shared)
