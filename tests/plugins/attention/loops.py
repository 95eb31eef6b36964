"""Attention as a beginner would write it: Python loops over rows, heads, queries and keys, nothing vectorised."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Score = Callable[[int, list[float], list[float]], float]
Sees = Callable[[int, int, int], bool]


def dot(scale: float) -> Score:
    """scale * q . k"""
    return lambda head, query, key: scale * sum(q * k for q, k in zip(query, key, strict=True))


def additive(vectors: Tensor) -> Score:
    """v . tanh(q + k), with one v per head."""
    rows = vectors.tolist()
    return lambda head, query, key: sum(v * math.tanh(q + k) for v, q, k in zip(rows[head], query, key, strict=True))


def attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    score: Score,
    sees: Sees,
    bias: Tensor | None = None,
    cap: float | None = None,
) -> Tensor:
    """Queries [B, H, T, D], keys and values [B, H, S, D] to [B, H, T, D]; who sees nothing gets zeros.

    `sees(row, t, s)` says whether query t of a row may look at key s.
    """
    result = torch.zeros(*queries.shape[:3], values.shape[-1], dtype=torch.float64)
    for row in range(queries.shape[0]):
        for head in range(queries.shape[1]):
            for t in range(queries.shape[2]):
                seen = [s for s in range(keys.shape[2]) if sees(row, t, s)]
                scores = [score(head, queries[row, head, t].tolist(), keys[row, head, s].tolist()) for s in seen]
                if cap is not None:
                    scores = [cap * math.tanh(one / cap) for one in scores]
                if bias is not None:
                    scores = [one + bias[head, t, s].item() for one, s in zip(scores, seen, strict=True)]
                exponentials = [math.exp(one) for one in scores]
                for weight, s in zip(exponentials, seen, strict=True):
                    result[row, head, t] += weight / sum(exponentials) * values[row, head, s].double()
    return result


def heads_of(x: Tensor, weight: Tensor, bias: Tensor | None, heads: int) -> Tensor:
    """x [B, T, C] times weight [H * D, C], cut into heads [B, H, T, D] one at a time."""
    projected = x @ weight.T if bias is None else x @ weight.T + bias
    width = weight.shape[0] // heads
    return torch.stack([projected[:, :, head * width : (head + 1) * width] for head in range(heads)], dim=1)


def beside(heads: Tensor) -> Tensor:
    """[B, H, T, D] to [B, T, H * D], head after head."""
    return torch.cat([heads[:, head] for head in range(heads.shape[1])], dim=-1)
