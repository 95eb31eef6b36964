"""Attention written out: scores, cap, bias, mask, weights, dropout, weighted sum. And the cache of keys and values.

This is the reference that the fused kernels must equal, and the fallback for what they cannot do.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from partwise.modules import Flow, Score, State

from .weighing import SOFTMAX, Weigher


def attend(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    score: Score,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    soft_cap: float | None = None,
    dropout: float = 0.0,
    weigher: Weigher = SOFTMAX,
    positions: Tensor | None = None,
) -> Tensor:
    """Explicit attention: queries [B, H, T, D], keys [B, K, S, D] and values [B, K, S, E] to [B, H, T, E].

    K divides H: each key and value serves H / K query heads. `soft_cap` c bounds the scores to (-c, c) by
    c tanh(s / c), before bias and mask (Gemma 2). A query that may see nothing at all gets zeros. `positions` [T] or
    [B, T] are those of the queries, for a score that reads them.
    """
    H, K = queries.shape[1], keys.shape[1]
    if score.scale is None and H > K:  # it may know heads from each other
        keys = keys.repeat_interleave(H // K, 1)
    where = () if positions is None else (positions,)
    scores = _ungrouped(score(_grouped(queries, keys.shape[1]), keys, *where), H)
    if soft_cap is not None:
        scores = soft_cap * torch.tanh(scores / soft_cap)
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    weights = F.dropout(weigher(scores, mask), dropout)
    return _ungrouped(_grouped(weights, K) @ values, H)


def weights_of(
    queries: Tensor,
    keys: Tensor,
    score: Score,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    soft_cap: float | None = None,
    weigher: Weigher = SOFTMAX,
    positions: Tensor | None = None,
) -> Tensor:
    """The weights [B, H, T, S] with which `attend` sums values: what it makes of unit vectors, one for each key."""
    S = keys.shape[2]
    units = torch.eye(S, dtype=queries.dtype, device=queries.device).expand(*keys.shape[:2], S, S)
    return attend(queries, keys, units, score, mask, bias, soft_cap, 0.0, weigher, positions)


def for_all_heads(x: Tensor, heads: int) -> Tensor:
    """Values [B, K, S, E], each for H / K query heads, as [B, H, S, E]."""
    return x.repeat_interleave(heads // x.shape[1], 1)


def _grouped(x: Tensor, heads: int) -> Tensor:
    """[B, H, T, N] to [B, K, H / K * T, N]: the queries that share a key head, one after another."""
    return x if x.shape[1] == heads else x.unflatten(1, (heads, -1)).flatten(2, 3)


def _ungrouped(x: Tensor, heads: int) -> Tensor:
    """[B, K, H / K * T, N] to [B, H, T, N]."""
    K = x.shape[1]
    return x if heads == K else x.unflatten(2, (heads // K, -1)).flatten(1, 2)


def split_heads(x: Tensor, width: int) -> Tensor:
    """[B, T, H * D] to [B, H, T, D]."""
    B, T, _ = x.shape
    return x.view(B, T, -1, width).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """[B, H, T, D] to [B, T, H * D]."""
    return x.transpose(1, 2).flatten(-2)


def empty_cache(batch: int, heads: int, length: int, width: int, like: Tensor) -> State:
    """Room for the keys and values of `length` tokens."""
    shape = (batch, heads, length, width)
    return {"keys": like.new_zeros(shape), "values": like.new_zeros(shape)}


def remember(keys: Tensor, values: Tensor, flow: Flow, state: State | None) -> tuple[Tensor, Tensor]:
    """Stores the keys and values of this pass, and returns those of all tokens so far."""
    if state is None:
        return keys, values
    state["keys"][:, :, flow.start : flow.end] = keys
    state["values"][:, :, flow.start : flow.end] = values
    return state["keys"][:, :, : flow.end].to(keys.dtype), state["values"][:, :, : flow.end].to(values.dtype)
