"""What the chunked forms share: a text cut into chunks, which pairs of positions meet, and states from chunk to chunk.

A linear attention remembers a matrix S [K, V], which each token changes linearly. Within a chunk everything is computed
by matrix products. A chunk as a whole is one linear step as well,

    S_after = transition S_before + update,

and these steps are combined in pairs, pairs of pairs and so on: work grows with the length of the text, and the number
of operations with its logarithm.

Shapes: B batch, H heads, T positions, N chunks, L positions of a chunk, K features of a key, V of a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LONG = 64
"""Positions of a chunk where pairs of positions are weighed by one matrix product."""
SHORT = 32
"""Where that takes more, because each feature has a decay of its own."""


@dataclass(frozen=True)
class Meeting:
    """Which positions of a chunk know of each other, by document; None where there is but one, and all do."""

    pairs: Tensor | None = None
    """[B, 1, N, L, L] bool: the two are of one document."""
    sees_before: Tensor | None = None
    """[B, 1, N, L, 1] bool: the document of this position began before the chunk, so that it reads that state."""
    reaches_end: Tensor | None = None
    """[B, 1, N, L, 1] bool: its document goes on to the end of the chunk, so that it enters the state there."""
    passes: Tensor | None = None
    """[B, 1, N, 1, 1] bool: what the state held before the chunk is still there at its end."""


@dataclass(frozen=True)
class Chunks:
    """A text of `length` positions, cut into chunks of `size`; the last is filled up with zeros."""

    length: int
    size: int
    begins: Tensor | None = None
    """[B, T] bool, True where a document begins, which nothing from before may reach; None: there is but one."""

    @property
    def count(self) -> int:
        """N. In a graph for texts of any length there are two at least, and their number is a simple term."""
        return self.length // self.size + 2 if _is_any(self.length) else -(-self.length // self.size)

    def cut(self, x: Tensor) -> Tensor:
        """[B, H, T, D] to [B, H, N, L, D]."""
        count = self.count
        return F.pad(x, (0, 0, 0, count * self.size - self.length)).unflatten(2, (count, self.size))

    def join(self, x: Tensor) -> Tensor:
        """[B, H, N, L, D] to [B, H, T, D]."""
        return x.flatten(2, 3)[:, :, : self.length]

    def meeting(self) -> Meeting:
        """Who knows of whom."""
        if self.begins is None:
            return Meeting()
        document = self.cut(self.begins[:, None, :, None].long()).cumsum(-2)  # counted from the chunk's beginning
        last = document[..., -1:, :]
        return Meeting(document == document.mT, document == 0, document == last, last == 0)


def only(x: Tensor, where: Tensor | None) -> Tensor:
    """x where a mask is True, else 0; x itself without a mask."""
    return x if where is None else x.masked_fill(~where, 0.0)


@dataclass(frozen=True)
class Fade:
    """What is left of what was written, where each step fades by one number. Nothing of another document is."""

    pairs: Tensor
    """[B, H, N, L, L]: at position i, of what position j <= i wrote; 0 where j > i."""
    from_before: Tensor
    """[B, H, N, L, 1]: at each position, of the state before the chunk."""
    to_end: Tensor
    """[B, H, N, L, 1]: at the chunk's end, of what each position wrote."""
    through: Tensor
    """[B, H, N, 1, 1]: at the chunk's end, of the state before the chunk."""


def fade(log_decay: Tensor, meeting: Meeting) -> Fade:
    """From the logarithms of each step's decay, [B, H, N, L, 1].

    They are summed from each position on. Differences of sums from the chunk's beginning would be cheaper, and off
    after a step that has cleared nearly all.
    """
    place = torch.arange(log_decay.shape[-2], device=log_decay.device)
    later, sooner = place[:, None] > place, place[:, None] < place
    sums = only(log_decay.expand(*log_decay.shape[:-1], len(place)), later).cumsum(-2)
    all_sums = log_decay.cumsum(-2)
    return Fade(
        only(sums.masked_fill(sooner, float("-inf")).exp(), meeting.pairs),
        only(all_sums.exp(), meeting.sees_before),
        only(sums[..., -1:, :].mT.exp(), meeting.reaches_end),
        only(all_sums[..., -1:, :].exp(), meeting.passes),
    )


def states_before(transitions: Tensor, updates: Tensor, first: Tensor) -> Tensor:
    """The state before each chunk, and after the last: [B, H, N + 1, K, V].

    Args:
        transitions: What a chunk does to the state from before it: matrices [B, H, N, K, K], or factors [B, H, N, K, 1]
            or [B, H, N, 1, 1].
        updates: What a chunk adds to it, [B, H, N, K, V].
        first: The state before the first chunk, [B, H, K, V].
    """
    before = (_as_one_node if _is_any(updates.shape[2]) else _in_pairs)(transitions, updates, first)
    after = _stepped(transitions[:, :, -1:], before[:, :, -1:]) + updates[:, :, -1:]
    return torch.cat((before, after), 2)


def _in_pairs(transitions: Tensor, updates: Tensor, first: Tensor) -> Tensor:
    """The states before each chunk, [B, H, N, K, V], from those before each pair of chunks."""
    count = updates.shape[2]
    if count == 1:
        return first.unsqueeze(2)
    (a, b), (u, v) = _halves(transitions), _halves(updates)
    even = _in_pairs(_stepped(b, a), _stepped(b, u) + v, first)
    return torch.stack((even, _stepped(a, even) + u), dim=3).flatten(2, 3)[:, :, :count]


def _stepped(transition: Tensor, state: Tensor) -> Tensor:
    return transition * state if transition.shape[-1] == 1 else transition @ state


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """Chunks 0, 2, 4, ... and 1, 3, 5, ...; a missing last one is zeros, as there is nothing after it."""
    x = F.pad(x, (0, 0, 0, 0, 0, x.shape[2] % 2))
    return x[:, :, ::2], x[:, :, 1::2]


# --- in graphs ----------------------------------------------------------------------------------------
#
# How often `_in_pairs` calls itself depends on the number of chunks. In a graph for texts of any length it therefore is
# one node, an operator of our own.


def _is_any(size: int) -> bool:
    """Whether a graph is being traced in which this size may be any."""
    if not torch.compiler.is_compiling():
        return False
    from torch.fx.experimental.symbolic_shapes import has_static_value

    return not has_static_value(size)


@torch.library.custom_op("partwise_linear_attention::states_before", mutates_args=())
def _as_one_node(transitions: Tensor, updates: Tensor, first: Tensor) -> Tensor:
    return _in_pairs(transitions, updates, first).clone(memory_format=torch.contiguous_format)


@_as_one_node.register_fake
def _(transitions: Tensor, updates: Tensor, first: Tensor) -> Tensor:
    return torch.empty_like(updates, memory_format=torch.contiguous_format)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0], output)


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The way back is the same recurrence, from the last chunk to the first."""
    transitions, before = ctx.saved_tensors
    turned = transitions.mT if transitions.shape[-1] > 1 else transitions
    to_after = _as_one_node(turned.flip(2), gradient.flip(2), torch.zeros_like(gradient[:, :, 0])).flip(2)
    to_first = _stepped(turned[:, :, 0], to_after[:, :, 0]) + gradient[:, :, 0]
    if transitions.shape[-1] > 1:
        return to_after @ before.mT, to_after, to_first
    return (to_after * before).sum_to_size(transitions.shape), to_after, to_first


_as_one_node.register_autograd(_gradients, setup_context=_keep)
