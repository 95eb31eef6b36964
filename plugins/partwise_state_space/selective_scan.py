"""The selective scan of Mamba (Gu & Dao 2023, arXiv:2312.00752, equation 2a with the discretisation of section 3.6).

    h_t = exp(dt_t A) * h_{t-1} + dt_t B_t x_t
    y_t = C_t . h_t

The states of all positions, N numbers for each of D features, would fit into no cache. So the scan goes through the
text in pieces of a few positions, keeps the state before each piece, and computes the states of a piece a second time
for its gradient. It stands in an operator of its own, which `torch.compile`, `torch.export` and `vmap` take as one
step, whatever the length. There is no second derivative.

Shapes: B batch, T positions, L positions of a piece, P pieces, D features, N state size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from partwise.modules import in_float32

_PIECE = 16
"""L."""


class Selection(NamedTuple):
    """What the recurrence does at each position of a text."""

    x: Tensor
    """[B, T, D]."""
    dt: Tensor
    """[B, T, D], the sizes of the steps, above 0; 0 at padding, which is passed over so."""
    rates: Tensor
    """A, [N, D], below 0."""
    write: Tensor
    """The vectors B_t, [B, T, N]."""
    read: Tensor
    """The vectors C_t, [B, T, N]."""
    begins: Tensor | None
    """[B, T] bool, True where the state before is forgotten."""

    @property
    def length(self) -> int:
        """T."""
        return self.x.shape[1]


def selective_scan(selection: Selection, initial: Tensor | None) -> tuple[Tensor, Tensor]:
    """y [B, T, D] and the last state [B, N, D], in float32 at least.

    Args:
        initial: [B, N, D], the state before the first position; None: zeros.
    """
    *numbers, begins = selection
    x, dt, rates, write, read = (in_float32(one) for one in numbers)
    initial = x.new_zeros(x.shape[0], *rates.shape) if initial is None else initial.to(x.dtype)
    if x.shape[1] == 1 and begins is None:  # a decode step
        state = torch.exp(dt * rates) * initial + (dt * x) * write.transpose(1, 2)
        return torch.matmul(read, state), state
    y, states = _scan(x, dt, rates, write, read, begins, initial)
    return y, states[:, -1]


def _rooms(count: int, selection: Selection) -> list[Tensor]:
    """Memory [B, L, N, D] that serves one piece after the other: to be given new memory costs as much as what is done
    in it."""
    x, length = selection.x, min(_PIECE, selection.length)
    return [x.new_empty(x.shape[0], length, *selection.rates.shape) for _ in range(count)]


def _pieces(selection: Selection) -> Iterator[Selection]:
    x, dt, rates, write, read, begins = selection
    for start in range(0, selection.length, _PIECE):
        part = slice(start, start + _PIECE)
        marks = None if begins is None else begins[:, part]
        yield Selection(x[:, part], dt[:, part], rates, write[:, part], read[:, part], marks)


def _decays(piece: Selection, room: Tensor) -> Tensor:
    """What each position leaves of the state before it, [B, L, N, D]. Features come last: all runs along memory."""
    decays = torch.mul(piece.dt.unsqueeze(2), piece.rates, out=room[:, : piece.length]).exp_()
    return decays if piece.begins is None else decays.masked_fill_(piece.begins[..., None, None], 0.0)


def _states(piece: Selection, decays: Tensor, before: Tensor, room: Tensor) -> Tensor:
    """The state after each position, [B, L, N, D]."""
    states = torch.mul((piece.dt * piece.x).unsqueeze(2), piece.write.unsqueeze(3), out=room[:, : piece.length])
    for decay, state in zip(decays.unbind(1), states.unbind(1), strict=True):
        before = state.addcmul_(decay, before)
    return states


_GIVEN = "Tensor x, Tensor dt, Tensor rates, Tensor write, Tensor read, Tensor? begins"


@torch.library.custom_op(
    "partwise::selective_scan", mutates_args=(), schema=f"({_GIVEN}, Tensor initial) -> (Tensor, Tensor)"
)
def _scan(
    x: Tensor, dt: Tensor, rates: Tensor, write: Tensor, read: Tensor, begins: Tensor | None, initial: Tensor
) -> tuple[Tensor, Tensor]:
    """y, and the states [B, P + 1, N, D] before each piece and at the end."""
    y, before = torch.empty_like(x, memory_format=torch.contiguous_format), [initial]
    selection = Selection(x, dt, rates, write, read, begins)
    first, second = _rooms(2, selection)
    for index, piece in enumerate(_pieces(selection)):
        states = _states(piece, _decays(piece, first), before[-1], second)
        start = index * _PIECE
        y[:, start : start + _PIECE] = torch.matmul(piece.read.unsqueeze(2), states).squeeze(2)
        before.append(states[:, -1].clone())
    return y, torch.stack(before, 1)


@torch.library.custom_op(
    "partwise::selective_scan_gradient",
    mutates_args=(),
    schema=f"({_GIVEN}, Tensor states, Tensor of_y, Tensor of_last)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def _gradient(
    x: Tensor,
    dt: Tensor,
    rates: Tensor,
    write: Tensor,
    read: Tensor,
    begins: Tensor | None,
    states: Tensor,
    of_y: Tensor,
    of_last: Tensor,
) -> tuple[Tensor, ...]:
    """The gradients of x, dt, rates, write and read, and of the first state."""
    of_rates, found = torch.zeros_like(rates), []
    selection = Selection(x, dt, rates, write, read, begins)
    rooms, pieces = _rooms(4, selection), list(_pieces(selection))
    for index in reversed(range(len(pieces))):
        start = index * _PIECE
        given = of_y[:, start : start + _PIECE]
        *gradients, of_last = _gradient_of_piece(pieces[index], states[:, index], given, of_last, of_rates, rooms)
        found.append(gradients)
    of_x, of_dt, of_write, of_read = (torch.cat(one[::-1], 1) for one in zip(*found, strict=True))
    return of_x, of_dt, of_rates, of_write, of_read, of_last.clone()


def _gradient_of_piece(
    piece: Selection, before: Tensor, of_y: Tensor, of_last: Tensor, of_rates: Tensor, rooms: list[Tensor]
) -> tuple[Tensor, ...]:
    """The gradients of x, dt, write and read, and of the state before the piece; adds that of the rates to `of_rates`.

    Args:
        before: the state before the piece.
        of_last: the gradient of the state after it, without what its own outputs give.
    """
    inputs, decays = piece.dt * piece.x, _decays(piece, rooms[0])
    states = _states(piece, decays, before, rooms[1])
    of_read = torch.matmul(states, of_y.unsqueeze(3)).squeeze(3)
    of_states = torch.mul(piece.read.unsqueeze(3), of_y.unsqueeze(2), out=rooms[2][:, : piece.length])
    for decay, of_state in reversed(list(zip(decays.unbind(1), of_states.unbind(1), strict=True))):
        of_last = of_state.add_(of_last) * decay
    of_inputs = torch.matmul(piece.write.unsqueeze(2), of_states).squeeze(2)
    of_write = torch.matmul(of_states, inputs.unsqueeze(3)).squeeze(3)
    of_exponents = of_states.mul_(decays)  # of dt A
    of_exponents[:, 0].mul_(before)
    of_exponents[:, 1:].mul_(states[:, :-1])
    of_rates += torch.mul(of_exponents, piece.dt.unsqueeze(2), out=rooms[3][:, : piece.length]).sum((0, 1))
    of_dt = of_exponents.mul_(piece.rates).sum(2).addcmul_(of_inputs, piece.x)
    return of_inputs * piece.dt, of_dt, of_write, of_read, of_last


@_scan.register_fake
def _(x: Tensor, dt: Tensor, rates: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    pieces = (x.shape[1] + _PIECE - 1) // _PIECE
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    return y, x.new_empty(x.shape[0], pieces + 1, *rates.shape)


@_gradient.register_fake
def _(x: Tensor, dt: Tensor, rates: Tensor, write: Tensor, read: Tensor, *others: Any) -> tuple[Tensor, ...]:
    last = x.new_empty(x.shape[0], *rates.shape)
    return (
        *(torch.empty_like(one, memory_format=torch.contiguous_format) for one in (x, dt, rates, write, read)),
        last,
    )


def _keep(ctx: Any, inputs: tuple[Tensor | None, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:6], output[1])


def _differentiate(ctx: Any, of_y: Tensor, of_states: Tensor) -> tuple[Tensor | None, ...]:
    """Of the states, only the last one is ever used."""
    *text, of_initial = _gradient(*ctx.saved_tensors, of_y, of_states[:, -1])
    return (*text, None, of_initial)


_scan.register_autograd(_differentiate, setup_context=_keep)


@_scan.register_vmap
def _(info: Any, dims: tuple[int | None, ...], *given: Tensor | None) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
    """One after the other, as each may have rates of its own."""

    def one(index: int) -> tuple[Tensor, Tensor]:
        pairs = zip(given, dims, strict=True)
        return _scan(*(x if x is None or dim is None else x.select(dim, index) for x, dim in pairs))

    y, states = zip(*(one(index) for index in range(info.batch_size)), strict=True)
    return (torch.stack(y), torch.stack(states)), (0, 0)
