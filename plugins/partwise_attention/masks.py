"""Which keys a query may see: causal, window, padding and packed documents, as one boolean mask."""

from __future__ import annotations

import torch
from torch import Tensor

from partwise.flow import Flow


def needs_no_mask(flow: Flow, window: int | None) -> bool:
    """Whether causality is all there is to respect."""
    return flow.padding is None and flow.documents is None and (window is None or window >= flow.end)


def visible(flow: Flow, causal: bool, window: int | None = None) -> Tensor:
    """[T, S], or [B, 1, T, S] with padding or documents: True where a query may see a key.

    `window` counts the positions seen, the query's own included; without causality it reaches as far to
    the right. A token of padding sees itself, so that no row is empty: its output is finite and unused.
    """
    device = flow.positions.device
    keys = torch.arange(flow.end, device=device)
    queries = keys[flow.start :, None]
    mask = keys <= queries if causal else torch.ones(flow.length, flow.end, dtype=torch.bool, device=device)
    if window is not None:
        mask = mask & (keys > queries - window) & (keys < queries + window)
    if flow.documents is not None:
        documents = flow.documents
        mask = mask & (documents[:, None, flow.start :, None] == documents[:, None, None, :])
    if flow.padding is not None:
        mask = (mask & flow.padding[:, None, None, :]) | (keys == queries)
    return mask


def memory_visible(flow: Flow) -> Tensor | None:
    """[B, 1, 1, M]: True where the memory holds a token; None if it does everywhere."""
    return None if flow.memory_padding is None else flow.memory_padding[:, None, None, :]
