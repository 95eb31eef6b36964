"""First-order linear recurrences h_t = a_t * h_{t-1} + b_t, feature by feature.

The loop over time stands in an operator of its own, which `torch.compile`, `torch.export` and `vmap` take as one step,
whatever the length. Its gradient is the same recurrence, read from the end.

Shapes: B batch, T positions, ... any features.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .precision import exact_dtype

_PIECE = 32
"""Positions of a piece, where pieces are read side by side."""
_BUSY = 4096
"""Numbers per position that keep a CPU busy, so that it need not read pieces side by side."""


def linear_recurrence(a: Tensor, b: Tensor, initial: Tensor | None = None) -> Tensor:
    """All h_t = a_t * h_{t-1} + b_t, [B, T, ...], in float32 at least.

    Where a document begins, a_t must be 0; at padding, a_t must be 1 and b_t 0.

    Args:
        a: [B, T, ...].
        b: of the shape of a.
        initial: [B, ...], the state before the first position; None: zeros.
    """
    dtype = exact_dtype(torch.promote_types(a.dtype, b.dtype))
    a, b = a.to(dtype), b.to(dtype)
    initial = None if initial is None else initial.to(dtype)
    if a.shape[1] == 1 and initial is not None:  # a decode step
        return torch.addcmul(b, a, initial.unsqueeze(1))
    return _recurrence(a, b, initial, False)


@torch.library.custom_op(
    "partwise::linear_recurrence",
    mutates_args=(),
    schema="(Tensor a, Tensor b, Tensor? initial, bool back) -> Tensor",
)
def _recurrence(a: Tensor, b: Tensor, initial: Tensor | None, back: bool) -> Tensor:
    """With `back`, h_t = a_t * h_{t+1} + b_t, and `initial` stands behind the last position."""
    h = torch.empty_like(b, memory_format=torch.contiguous_format)
    count = a.shape[1] // _PIECE
    if count < 2 or (a.device.type == "cpu" and a[:, 0].numel() >= _BUSY):
        _read(a, b, h, initial, back)
        return h
    # Most positions in pieces side by side, the few that are left one after the other.
    cut = count * _PIECE
    pieces, rest = ((a[:, part], b[:, part], h[:, part]) for part in (slice(0, cut), slice(cut, None)))
    if back:
        _read_pieces(*pieces, _read(*rest, initial, back), back)
    else:
        _read(*rest, _read_pieces(*pieces, initial, back), back)
    return h


def _read(a: Tensor, b: Tensor, h: Tensor, initial: Tensor | None, back: bool, dim: int = 1) -> Tensor | None:
    """Writes the states into h, one after the other; returns the last that it wrote."""
    last = initial
    steps = list(zip(a.unbind(dim), b.unbind(dim), h.unbind(dim), strict=True))
    for a_t, b_t, h_t in reversed(steps) if back else steps:
        last = h_t.copy_(b_t) if last is None else torch.addcmul(b_t, a_t, last, out=h_t)
    return last


def _read_pieces(a: Tensor, b: Tensor, h: Tensor, initial: Tensor | None, back: bool) -> Tensor | None:
    """As `_read`: each piece by itself, from zeros; then what is left in it of the pieces before."""
    a, b, h = (x.unflatten(1, (-1, _PIECE)) for x in (a, b, h))
    _read(a, b, h, None, back, dim=2)
    kept = a.flip(2).cumprod(2).flip(2) if back else a.cumprod(2)
    end = 0 if back else -1
    ends = torch.empty_like(h[:, :, end])
    last = _read(kept[:, :, end], h[:, :, end], ends, initial, back)
    before = _before(ends, initial, back)
    h.addcmul_(kept, before.unsqueeze(2))
    return last


def _before(h: Tensor, initial: Tensor | None, back: bool) -> Tensor:
    """For each position of h [B, T, ...], the state that it was made from."""
    first = torch.zeros_like(h[:, :1]) if initial is None else initial.unsqueeze(1)
    return torch.cat((h[:, 1:], first), 1) if back else torch.cat((first, h[:, :-1]), 1)


@_recurrence.register_fake
def _(a: Tensor, b: Tensor, initial: Tensor | None, back: bool) -> Tensor:
    return torch.empty_like(b, memory_format=torch.contiguous_format)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, bool], output: Tensor) -> None:
    a, _, initial, ctx.back = inputs
    ctx.save_for_backward(a, output, initial)


def _gradient(ctx: Any, given: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
    """g_t = given_t + a_{t+1} g_{t+1} is the gradient of b_t; those of a_t and of the first state follow from it."""
    a, h, initial = ctx.saved_tensors
    g = _recurrence(_before(a, None, not ctx.back), given, None, not ctx.back)
    first = -1 if ctx.back else 0
    return g * _before(h, initial, ctx.back), g, None if initial is None else a[:, first] * g[:, first], None


_recurrence.register_autograd(_gradient, setup_context=_keep)


@_recurrence.register_vmap
def _(
    info: Any, dims: tuple[int | None, ...], a: Tensor, b: Tensor, initial: Tensor | None, back: bool
) -> tuple[Tensor, int]:
    def merged(x: Tensor, dim: int | None) -> Tensor:
        x = x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
        return x.flatten(0, 1)

    h = _recurrence(merged(a, dims[0]), merged(b, dims[1]), None if initial is None else merged(initial, dims[2]), back)
    return h.unflatten(0, (info.batch_size, -1)), 0
