"""The kernels that compute attention, and the choice between them. Each gives what `core.attend` gives.

eager   written out: every score, cap and mask; holds B x H x T x S numbers
sdpa    torch's scaled_dot_product_attention: scaled dot products, with any bias and mask written out
flex    torch's FlexAttention: cap, bias and mask inside the kernel, nothing of size T x S; trains on a GPU only
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from partwise import InputError
from partwise.modules import Bias, Mask

Backend = Literal["eager", "sdpa", "flex"]

BLOCK = 128
"""Queries and keys per block of FlexAttention, which skips whole blocks; with fewer queries it can skip nothing."""
NARROWEST = 16
"""Fewest features per head that FlexAttention's GPU kernels support."""


@dataclass(frozen=True)
class Weighing:
    """How scores become weights, and by which kernel.

    `soft_cap` c bounds the scores to (-c, c); `dropout` drops weights in training. Under "auto" each pass takes the
    fastest kernel that does what it needs.
    """

    backend: Literal["auto"] | Backend = "auto"
    soft_cap: float | None = None
    dropout: float = 0.0

    def backend_for(self, scaled_dot: bool, query: Tensor, mask: Mask, bias: Bias | None) -> Backend:
        """The kernel for one pass of queries [B, H, T, D], whose score is a scaled dot product or is not.

        FlexAttention is used neither for a single new token nor on the meta device.
        """
        if self.backend in ("eager", "sdpa"):
            return self.backend
        plain: Backend = "sdpa" if scaled_dot and self.soft_cap is None else "eager"
        if not scaled_dot or query.shape[2] == 1 or query.is_meta:
            return plain
        if self.backend == "flex":
            return "flex"
        pays = bias is not None or self.soft_cap is not None or mask.hides == "more"
        if not (pays and query.is_cuda and self.dropout == 0 and _reproducible(bias)):
            return plain
        return "flex" if query.shape[2] >= BLOCK and query.shape[3] >= NARROWEST else plain


AUTO = Weighing()


def _reproducible(bias: Bias | None) -> bool:
    """FlexAttention sums a bias's gradient in no fixed order, which deterministic algorithms forbid."""
    learning = bias is not None and bias.table.requires_grad
    return not (learning and torch.are_deterministic_algorithms_enabled())


def sdpa(
    query: Tensor, key: Tensor, value: Tensor, scale: float, mask: Mask, bias: Bias | None, dropout: float
) -> Tensor:
    """Queries [B, H, T, D], keys and values [B, K, S, D] to [B, H, T, D]; K divides H."""
    causal = bias is None and mask.hides == "future"
    added = mask.dense if bias is None else bias.masked(mask).to(query.dtype)
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=None if causal else added,
        dropout_p=dropout,
        is_causal=causal,
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def flex(
    query: Tensor, key: Tensor, value: Tensor, scale: float, mask: Mask, bias: Bias | None, soft_cap: float | None
) -> Tensor:
    """As `sdpa`, with the cap and without dropout.

    Raises:
        InputError: a gradient is asked for on a device where FlexAttention has none.
    """
    _refuse_training(query)

    def adjusted(score: Tensor, row: Tensor, head: Tensor, at: Tensor, key_at: Tensor) -> Tensor:
        if soft_cap is not None:
            score = soft_cap * torch.tanh(score / soft_cap)
        return score if bias is None else score + bias.at(head, at, key_at)

    changes = adjusted if bias is not None or soft_cap is not None else None
    grouped = query.shape[1] != key.shape[1]
    query, key = query.to(value.dtype), key.to(value.dtype)  # under autocast a norm may have left them in float32
    mixed: Tensor = _flex_kernel(query.device)(query, key, value, changes, mask.blocks, scale, grouped)
    return mixed


def _refuse_training(query: Tensor) -> None:
    if query.device.type != "cuda" and query.requires_grad:
        raise InputError(
            f'attention backend "flex" cannot be trained on {query.device.type}: PyTorch\'s FlexAttention has a '
            'backward pass on a GPU only; use "auto", which takes it where it can'
        )


def _flex_kernel(device: torch.device) -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    if torch.compiler.is_compiling():
        return flex_attention
    return _compiled_flex() if device.type == "cuda" else _unfused_flex


@cache
def _compiled_flex() -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


def _unfused_flex(*inputs: Any) -> Tensor:
    """On a CPU, FlexAttention only checks a GPU's results or runs its models now and then: compiling takes longer."""
    from torch.nn.attention.flex_attention import flex_attention

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
        mixed: Tensor = flex_attention(*inputs)
        return mixed
