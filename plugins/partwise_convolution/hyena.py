"""Hyena (Poli et al. 2023, arXiv:2302.10866, definition 3.1 and algorithms 1 to 3).

    v, x^1, ..., x^N = conv(W_in u)
    z^1 = v
    z^{n+1}_t = x^n_t * (sum over s <= t of h^n_{t-s} * z^n_s + d^n * z^n_t)
    y_t = W_out z^{N+1}_t

conv is short, the filters h^n are as long as the text and computed by a network, and d is learned per feature.

Shapes: B batch, T positions of this pass, S positions so far, C width, N order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from partwise.modules import CausalConvolution, Flow, State, exact_dtype, in_float32

from .filters import Filters, FilterShape
from .long import long_convolution


class Hyena(nn.Module):
    """x [B, T, C] to [B, T, C].

    A convolution with a filter of no finite recurrence has no state of fixed size: a state is {"inputs", "long":
    [B, length, N, C], "filters": [B, length, N, C]}, all that the long convolutions have read, and the filters up to
    here, which every row has so that rows can change places. A decode step reads all of both.
    """

    parameter_roles: ClassVar[Mapping[str, str]] = {"skip": "vector"}
    rows_begin_together: ClassVar[bool] = True
    """Its filters lie in the state by distance, and are made as far as the text has come."""

    def __init__(self, width: int, order: int, kernel: int, shape: FilterShape) -> None:
        super().__init__()
        self.width, self.order = width, order
        self.input = nn.Linear(width, (order + 1) * width)
        self.input.stacked = [width] * (order + 1)  # type: ignore[assignment]
        self.convolution = CausalConvolution((order + 1) * width, kernel)
        self.filters = Filters(order, width, shape)
        self.skip = nn.Parameter(torch.empty(order, width))
        self.output = nn.Linear(width, width)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.skip)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        mixed = self.convolution(self.input(x), flow, state)
        value, *gates = flow.clear_padding(mixed).chunk(self.order + 1, -1)
        filters = self._filters(flow, state)
        for n, gate in enumerate(gates):
            seen = self._seen(n, value, flow, state)
            read = _convolved(seen, filters[..., n, :], flow)
            value = gate * (read + self.skip[n] * value).to(value.dtype)
        return self.output(value)

    def _filters(self, flow: Flow, state: State | None) -> Tensor:
        """Those for all distances of this text so far, [S, N, C]; [B, S, N, C] from a state, which has the earlier."""
        if state is None:
            return self.filters(0, flow.end)
        state["filters"][:, flow.start : flow.end] = self.filters(flow.start, flow.end)
        return state["filters"][:, : flow.end]

    def _seen(self, n: int, value: Tensor, flow: Flow, state: State | None) -> Tensor:
        """All that the n-th convolution has read so far, [B, S, C]."""
        if state is None:
            return value
        state["long"][:, flow.start : flow.end, n] = value
        return state["long"][:, : flow.end, n]

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        """Room for `length` tokens; filters are kept in float32 at least."""
        sizes = (batch, length, self.order, self.width)
        filters = like.new_zeros(*sizes, dtype=exact_dtype(like.dtype))
        return {**self.convolution.empty_state(batch, length, like), "long": like.new_zeros(*sizes), "filters": filters}


def _convolved(seen: Tensor, filters: Tensor, flow: Flow) -> Tensor:
    """The long convolution at the positions of this pass, [B, T, C], in float32 at least.

    Args:
        seen: [B, S, C].
        filters: [S, C], or [B, S, C] with equal rows.
    """
    seen, length = in_float32(seen), flow.length
    documents = None if flow.documents is None else _numbered(flow.documents)
    if length == 1 and flow.start:  # a decode step
        weighted = seen.flip(1) * filters
        if documents is not None:
            weighted = torch.where((documents == documents[:, -1:]).flip(1).unsqueeze(-1), weighted, 0)
        return weighted.sum(1, keepdim=True)
    one = filters if filters.ndim == 2 else filters[0]
    return long_convolution(seen.transpose(1, 2), one.t(), documents).transpose(1, 2)[:, -length:]


def _numbered(documents: Tensor) -> Tensor:
    """Documents [B, S] by numbers that no two documents of a row share."""
    return pad(documents[:, 1:] != documents[:, :-1], (1, 0)).cumsum(1)
