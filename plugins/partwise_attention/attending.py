"""From queries, keys and values to mixed values: what all attentions over heads have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat

import torch
from torch import Tensor, nn

from partwise.modules import Bias, Mask, Score, Shown

from .backends import AUTO, Weighing, flex, sdpa
from .core import attend, for_all_heads, weights_of
from .weighing import SOFTMAX, SoftmaxWeigher, Weigher

BLOCK = 128
"""Queries that are written out at once."""


class Attending(nn.Module):
    """Base of attentions: a score, a weigher (see `weighing`), and how the two are computed."""

    def __init__(self, score: Score, weighing: Weighing = AUTO, weigher: Weigher = SOFTMAX) -> None:
        super().__init__()
        self.weighing = weighing
        self.score = score
        self.scale = score.scale
        self.weigher = weigher
        self.reads_positions: bool = getattr(score, "reads_positions", False)
        self.fuses = self.scale is not None and self.weigher.fuses

    def weigh(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Mask, bias: Bias | None, positions: Tensor | None = None
    ) -> Tensor:
        """Queries [B, H, T, D], keys [B, K, S, D] and values [B, K, S, E] to [B, H, T, E]; K divides H.

        `positions` [T] or [B, T] are those of the queries.
        """
        apart = mask.apart
        if apart is None or self.weighing.backend_for(self.fuses, query, mask, bias) == "flex":
            return self._weighed(query, key, value, mask, bias, positions)
        rows = zip(apart.alike, apart.split(query), apart.split(key), apart.split(value), strict=True)
        where: Iterable[Tensor | None] = repeat(None)
        if self.reads_positions and positions is not None:
            where = apart.numbers(positions, len(query))
        mixed = []
        for (one, q, k, v), here in zip(rows, where, strict=False):
            seen, added = mask.within(one), None if bias is None else bias.within(one.length)
            mixed.append(self._weighed(q, k, v, seen, added, here))
        return apart.joined(mixed, len(query))

    def weights(
        self, query: Tensor, key: Tensor, mask: Mask, bias: Bias | None, positions: Tensor | None = None
    ) -> Tensor:
        """[B, H, T, S], by which `weigh` sums values when nothing is dropped out; written out, by whatever kernel that
        computes."""
        added, cap = None if bias is None else bias.dense, self.weighing.soft_cap
        read = positions if self.reads_positions else None
        return weights_of(query, key, self.score, mask.dense, added, cap, self.weigher, read)

    def taken_apart(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Mask,
        bias: Bias | None,
        positions: Tensor | None,
        finish: Callable[[Tensor], Tensor],
    ) -> Shown:
        """What an attention shows that `weigh`s these, and makes its output of the mixed values by `finish`."""
        weights = self.weights(query, key, mask, bias, positions)
        adds_up = isinstance(self.weigher, SoftmaxWeigher)
        return Shown(weights, for_all_heads(value, query.shape[1]), finish, adds_up)

    def _weighed(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Mask, bias: Bias | None, positions: Tensor | None
    ) -> Tensor:
        cap, dropout = self.weighing.soft_cap, self.weighing.dropout if self.training else 0.0
        sinks = self.weigher.sinks
        backend = self.weighing.backend_for(self.fuses, query, mask, bias)
        # For sinks and values of another width, fused kernels get copies of all keys with more features. These cost a
        # decode step more than they save it, and a count of operations should not see them.
        copies = sinks is not None or key.shape[-1] != value.shape[-1]
        plainly = backend == "eager" or (copies and (query.shape[2] == 1 or query.is_meta))
        if plainly or self.scale is None or not self.fuses:
            read = positions if self.reads_positions else None
            return self._written_out(query, key, value, mask, None if bias is None else bias.dense, dropout, read)
        if backend == "flex":
            return flex(query, key, value, self.scale, mask, bias, cap, sinks)
        if value.dtype == torch.bfloat16 and value.device.type == "cpu" and torch.is_grad_enabled():
            # PyTorch's fused backward pass in bfloat16 on a CPU is some seven times slower than in float32.
            with torch.autocast("cpu", enabled=False):
                return sdpa(
                    query.float(), key.float(), value.float(), self.scale, mask, bias, dropout, sinks
                ).bfloat16()
        return sdpa(query, key, value, self.scale, mask, bias, dropout, sinks)

    def _written_out(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Mask,
        bias: Tensor | None,
        dropout: float,
        positions: Tensor | None,
    ) -> Tensor:
        """By `attend`, in blocks of queries where each sees only what comes before: that is half of the work."""
        cap, dense, T = self.weighing.soft_cap, mask.dense, query.shape[2]
        whole = torch.compiler.is_compiling() or query.is_meta or mask.hides != "future" or T <= BLOCK
        if whole or dense is None:
            return attend(query, key, value, self.score, dense, bias, cap, dropout, self.weigher, positions)
        pieces = []
        for start in range(0, T, BLOCK):
            end = min(start + BLOCK, T)
            seen, added = dense[start:end, :end], None if bias is None else bias[:, start:end, :end]
            q, k, v = query[:, :, start:end], key[:, :, :end], value[:, :, :end]
            read = None if positions is None else positions[..., start:end]
            pieces.append(attend(q, k, v, self.score, seen, added, cap, dropout, self.weigher, read))
        return torch.cat(pieces, dim=2)
