"""The kernels that compute attention, and the choice between them. Each gives what `core.attend` gives.

eager   written out: every score, cap, mask and weight; holds B x H x T x S numbers
sdpa    torch's scaled_dot_product_attention: scaled dot products, with any bias and mask written out
flex    torch's FlexAttention: cap, bias and mask inside the kernel, nothing of size T x S; trains on a GPU only

The last two compute a softmax, with a sink in its denominator or without. Values may be wider or narrower than keys.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
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

    def backend_for(self, fuses: bool, query: Tensor, mask: Mask, bias: Bias | None) -> Backend:
        """The kernel for one pass of queries [B, H, T, D], whose weights are a softmax of scaled dot products or not.

        FlexAttention is used neither for a single new token nor on the meta device.
        """
        if self.backend in ("eager", "sdpa"):
            return self.backend
        plain: Backend = "sdpa" if fuses and self.soft_cap is None else "eager"
        if not fuses or query.shape[2] == 1 or query.is_meta:
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
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    mask: Mask,
    bias: Bias | None,
    dropout: float,
    sinks: Tensor | None = None,
) -> Tensor:
    """Queries [B, H, T, D], keys [B, K, S, D] and values [B, K, S, E] to [B, H, T, E]; K divides H."""
    causal = bias is None and mask.hides == "future"
    added = None if causal else mask.dense if bias is None else bias.masked(mask).to(query.dtype)
    width = value.shape[-1]
    if sinks is not None:
        return _sdpa_with_sinks(query, key, value, scale, added, causal, dropout, sinks)
    alike = width == key.shape[-1]
    if not alike:  # the fused kernels take one width only
        query, key, value = _as_wide(max(width, key.shape[-1]), query, key, value)
    mixed = F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=added,
        dropout_p=dropout,
        is_causal=causal,
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return mixed if alike else mixed[..., :width]


def _sdpa_with_sinks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    added: Tensor | None,
    causal: bool,
    dropout: float,
    sinks: Tensor,
) -> Tensor:
    """As `sdpa`, with one more key in front whose score is the sink and whose value is zero.

    Its score comes from one more feature, which is 1 in that key and 0 in all others, and sink / scale in queries; so
    nothing of size H x T x S is written out. In a causal pass, a query that is not asked for keeps the diagonal.
    """
    D, width = key.shape[-1], value.shape[-1]
    query, key, value = _as_wide(max(D + 1, width), query, key, value)
    own = F.pad((sinks / scale).to(query.dtype)[:, None, None], (D, query.shape[-1] - D - 1))
    query = F.pad(query + own, (0, 0, int(causal), 0))
    key, value = F.pad(key, (0, 0, 1, 0)), F.pad(value, (0, 0, 1, 0))
    key = key + F.pad(key.new_ones(1, 1), (D, key.shape[-1] - D - 1, 0, key.shape[-2] - 1))
    if added is not None:
        added = F.pad(added, (1, 0), value=added.dtype == torch.bool)
    grouped = query.shape[1] != key.shape[1]
    mixed = F.scaled_dot_product_attention(query, key, value, added, dropout, causal, scale=scale, enable_gqa=grouped)
    return mixed[:, :, int(causal) :, :width]


def _as_wide(width: int, *heads: Tensor) -> Iterator[Tensor]:
    """Heads with zeros after their features, up to the next multiple of 8 from `width`, as GPU kernels want it."""
    return (F.pad(one, (0, (width + 7) // 8 * 8 - one.shape[-1])) for one in heads)


def flex(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    mask: Mask,
    bias: Bias | None,
    soft_cap: float | None,
    sinks: Tensor | None = None,
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
    kernel = _flex_kernel(query.device, {} if sinks is None else _with_total())
    mixed: Tensor
    if sinks is None:
        mixed = kernel(query, key, value, changes, mask.blocks, scale, grouped)
        return mixed
    mixed, total = kernel(query, key, value, changes, mask.blocks, scale, grouped)
    total = getattr(total, "lse", total)
    # exp(s) / (exp(sink) + sum exp(s)) is the softmax times the sum's share of the denominator.
    return mixed * torch.sigmoid(total - sinks[:, None]).unsqueeze(-1).to(mixed.dtype)


def _with_total() -> dict[str, Any]:
    """What asks FlexAttention for the logarithm of each softmax's denominator, which PyTorch 2.9 renamed."""
    from torch.nn.attention import flex_attention

    if hasattr(flex_attention, "AuxRequest"):
        return {"return_aux": flex_attention.AuxRequest(lse=True)}
    return {"return_lse": True}


def _refuse_training(query: Tensor) -> None:
    if query.device.type != "cuda" and query.requires_grad:
        raise InputError(
            f'attention backend "flex" cannot be trained on {query.device.type}: PyTorch\'s FlexAttention has a '
            'backward pass on a GPU only; use "auto", which takes it where it can'
        )


def _flex_kernel(device: torch.device, asked: dict[str, Any]) -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    if torch.compiler.is_compiling():
        return partial(flex_attention, **asked)
    return partial(_compiled_flex(), **asked) if device.type == "cuda" else _unfused(partial(flex_attention, **asked))


@cache
def _compiled_flex() -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


def _unfused(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """On a CPU, FlexAttention only checks a GPU's results or runs its models now and then: compiling takes longer."""

    def run(*inputs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
            return kernel(*inputs)

    return run
