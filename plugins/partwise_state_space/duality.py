"""The recurrence of Mamba-2 by matrix products (Dao & Gu 2024, arXiv:2405.21060, section 6: the block decomposition).

    h_t = exp(l_t) h_{t-1} + B_t x_t^T
    y_t = h_t^T C_t

with one rate l_t <= 0 per head, and B and C shared by the heads of a group. The text is cut into pieces. Within a
piece, every position reads the ones before it, as attention does: the weight of s for t is
C_t . B_s exp(l_{s+1} + ... + l_t). What a piece writes into the state goes from piece to piece by a recurrence over the
pieces, and every position reads the state before its piece.

Shapes: B batch, T positions, n pieces of L positions, G groups, R heads of a group, N state size, P head width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from partwise.modules import in_float32, linear_recurrence

_PIECE = 64
"""L."""


@dataclass(frozen=True)
class Heads:
    """What the recurrence does at each position of a text."""

    x: Tensor
    """[B, T, G, R, P]; 0 at padding."""
    rates: Tensor
    """l, [B, T, G, R], at most 0, in float32 at least; 0 at padding."""
    write: Tensor
    """The vectors B_t, [B, T, G, N]."""
    read: Tensor
    """The vectors C_t, [B, T, G, N]."""
    begins: Tensor | None
    """[B, T] bool, True where the state before is forgotten."""


def state_space_dual(heads: Heads, initial: Tensor | None) -> tuple[Tensor, Tensor]:
    """y [B, T, G, R, P], and the last state [B, G, N, R, P], which is in float32 at least.

    Args:
        initial: [B, G, N, R, P], the state before the first position; None: zeros.
    """
    length = heads.x.shape[1]
    if length == 0 and initial is not None:
        return heads.x, initial
    if length == 1 and initial is not None and heads.begins is None:
        return _step(heads, initial)
    pieces = _Pieces(heads)
    states = linear_recurrence(*pieces.written(), initial)
    y = pieces.read_within() + pieces.read_before(_shifted(states, initial))
    return y.transpose(2, 3).flatten(1, 2)[:, :length], states[:, -1]


def _step(heads: Heads, initial: Tensor) -> tuple[Tensor, Tensor]:
    x, rates, write, read = (one[:, 0] for one in (heads.x, heads.rates, heads.write, heads.read))
    added = in_float32(write)[..., None, None] * in_float32(x).unsqueeze(2)
    state = torch.exp(rates)[:, :, None, :, None] * in_float32(initial) + added
    y = torch.matmul(in_float32(read).unsqueeze(2), state.flatten(3)).view(x.shape)
    return y.to(x.dtype).unsqueeze(1), state


def _shifted(states: Tensor, initial: Tensor | None) -> Tensor:
    """The state before each piece."""
    first = torch.zeros_like(states[:, :1]) if initial is None else initial.unsqueeze(1).to(states.dtype)
    return torch.cat((first, states[:, :-1]), 1)


def _sums(rates: Tensor, begins: Tensor | None) -> Tensor:
    """Of rates [B, n, L, G, R] up to each position. A sum that went on where a document begins would be the same but
    for its rounding, in which the documents before it could be seen."""
    if begins is None:
        return rates.cumsum(2)
    on = (~begins)[..., None, None].to(rates.dtype).expand_as(rates)
    return linear_recurrence(on.flatten(0, 1), rates.flatten(0, 1)).unflatten(0, rates.shape[:2])


class _Pieces:
    """The text in pieces: x [B, n, G, L, R, P], write and read [B, n, G, L, N]. Positions behind the end change
    nothing: they write nothing, and leave the state as it is."""

    def __init__(self, heads: Heads) -> None:
        self.length = min(_PIECE, heads.x.shape[1])
        self.x, self.write, self.read = (self._cut(one).transpose(2, 3) for one in (heads.x, heads.write, heads.read))
        begins = None if heads.begins is None else self._cut(heads.begins)
        self.sums = _sums(self._cut(heads.rates), begins).transpose(2, 3)
        """Of the rates from the beginning of the piece, or of the document, on: [B, n, G, L, R]."""
        self.segments = None if begins is None else begins.cumsum(2)[:, :, None, :, None]
        """Documents begun in the piece, [B, n, 1, L, 1]."""

    def _cut(self, x: Tensor) -> Tensor:
        """[B, T, ...] to [B, n, L, ...]."""
        missing = -x.shape[1] % self.length
        return pad(x, (*[0, 0] * (x.ndim - 2), 0, missing)).unflatten(1, (-1, self.length))

    def written(self) -> tuple[Tensor, Tensor]:
        """What each piece leaves of the state before it, and what it adds: [B, n, G, N, R, P] both."""
        exponents = self.sums[:, :, :, -1:] - self.sums
        kept = torch.exp(self.sums[:, :, :, -1])
        if self.segments is not None:
            # Before the exponential is taken: between documents they are large, and infinity would reach the gradient.
            exponents = torch.where(self.segments == self.segments[:, :, :, -1:], exponents, -torch.inf)
            kept = torch.where(self.segments[:, :, :, -1] == 0, kept, 0)
        values = (self.x * exponents.exp().unsqueeze(-1)).to(self.x.dtype).flatten(4)
        added = torch.matmul(self.write.transpose(3, 4), values).unflatten(4, self.x.shape[4:])
        return kept[:, :, :, None, :, None].expand_as(added), added

    def read_within(self) -> Tensor:
        """What the positions of a piece read from each other, [B, n, G, L, R, P]."""
        products = torch.matmul(self.read, self.write.transpose(3, 4)).unsqueeze(3)
        sums = self.sums.transpose(3, 4)
        seen = torch.ones(self.length, self.length, dtype=torch.bool, device=sums.device).tril()
        if self.segments is not None:
            seen = seen & (self.segments == self.segments.transpose(3, 4)).unsqueeze(3)
        # Exponents that are not seen could be large: they are replaced before the exponential is taken.
        weights = products * torch.where(seen, sums.unsqueeze(-1) - sums.unsqueeze(-2), -torch.inf).exp()
        return torch.matmul(weights.to(self.x.dtype), self.x.transpose(3, 4)).transpose(3, 4)

    def read_before(self, states: Tensor) -> Tensor:
        """What they read from the state before the piece, [B, n, G, N, R, P]."""
        decays = torch.exp(self.sums)
        if self.segments is not None:
            decays = torch.where(self.segments == 0, decays, 0)
        values = torch.matmul(self.read, states.to(self.read.dtype).flatten(4)).unflatten(4, self.x.shape[4:])
        return (values * decays.unsqueeze(-1)).to(self.x.dtype)
