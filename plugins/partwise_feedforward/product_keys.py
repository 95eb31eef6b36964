"""A large memory with product keys (Lample et al. 2019, arXiv:1907.05242): of many values a few are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import in_float32


class ProductKeyMemory(nn.Module):
    """x [..., C] to the sum over H heads of k values each, of N * N values [C] that all heads share.

        q = linear map of x, for each head; with `normed`, of mean 0 and variance 1
        score of value (i, j) = q_1 . a_i + q_2 . b_j,   with the halves q_1 and q_2 of q and the head's keys a and b
        y = sum over heads of softmax(the k largest scores) . their values

    Equations 1 to 3 and section 3.2: the k largest of all N * N scores are among the sums of the k largest of either
    half, so that 2 N + k * k scores are looked at. Scores are computed in float32 at least, since rounding may change a
    choice. Gain and offset of a norm are left out: keys are learned.
    """

    parameter_roles: ClassVar[Mapping[str, str]] = {"keys": "memory", "values": "memory"}

    def __init__(self, width: int, heads: int, keys: int, chosen: int, key_width: int, normed: bool) -> None:
        """`keys` is N, `chosen` k, and `key_width` the features of both halves together."""
        super().__init__()
        self.heads, self.chosen, self.normed = heads, chosen, normed
        self.query = nn.Linear(width, heads * key_width)
        self.keys = nn.Parameter(torch.empty(heads, 2, keys, key_width // 2))
        self.values = nn.Parameter(torch.empty(keys * keys, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Keys as the rows of a linear layer, values with a deviation of 1 / sqrt(C), as in the authors' code."""
        bound = 1 / math.sqrt(self.keys.shape[-1])
        nn.init.uniform_(self.keys, -bound, bound)
        nn.init.normal_(self.values, std=self.values.shape[1] ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        with _unrounded(x.device.type):
            scores, places = self._best(self._queries(x))
            weights = scores.softmax(-1).flatten(-2).to(self.values.dtype)
            return self._read(places.flatten(-2), weights).to(x.dtype)

    def _queries(self, x: Tensor) -> Tensor:
        """[..., H, 2, D]."""
        bias = self.query.bias
        query = F.linear(in_float32(x), in_float32(self.query.weight), in_float32(bias))
        query = query.unflatten(-1, (self.heads, -1))
        if self.normed:
            query = F.layer_norm(query, query.shape[-1:])
        return query.unflatten(-1, (2, -1))

    def _best(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """The k largest scores of each head and the indices of their values, both [..., H, k]."""
        scores = torch.einsum("...hsd,hsnd->...hsn", query, in_float32(self.keys))
        best, places = scores.topk(self.chosen, -1)
        (first, second), (row, column) = best.unbind(-2), places.unbind(-2)
        sums = (first.unsqueeze(-1) + second.unsqueeze(-2)).flatten(-2)
        values = (row.unsqueeze(-1) * self.keys.shape[2] + column.unsqueeze(-2)).flatten(-2)
        best, places = sums.topk(self.chosen, -1)
        return best, values.gather(-1, places)

    def _read(self, places: Tensor, weights: Tensor) -> Tensor:
        """Values at `places` [..., H k] by `weights`, summed: [..., C]."""
        if places.is_meta:  # where operations are counted: the kernel's are those of this product
            return (weights.unsqueeze(-2) @ self.values[places]).squeeze(-2)
        sums = F.embedding_bag(
            places.flatten(0, -2), self.values, mode="sum", per_sample_weights=weights.flatten(0, -2)
        )
        return sums.view(*places.shape[:-1], -1)

    def extra_repr(self) -> str:
        return f"heads={self.heads}, keys={self.keys.shape[2]}, k={self.chosen}, normed={self.normed}"


def _unrounded(kind: str) -> AbstractContextManager[object]:
    """Within it, autocast rounds nothing."""
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
