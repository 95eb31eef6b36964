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
) -> Tensor:
    """Explicit attention: queries and keys of D features and values of E, [B, H, T or S, ...], to [B, H, T, E].

    `soft_cap` c bounds the scores to (-c, c) by c tanh(s / c), before bias and mask (Gemma 2). A query that
    may see nothing at all gets zeros.
    """
    scores = score(queries, keys)
    if soft_cap is not None:
        scores = soft_cap * torch.tanh(scores / soft_cap)
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    return F.dropout(weigher(scores, mask), dropout) @ values


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
