"""What modules may show of themselves: which positions a position was made of, how far gates were open, what a layer
knows.

All of it is optional, and only whoever looks inside a model asks for it: nothing of this runs in training. A module
takes part by having the method; one that has none is named as such. This file imports no torch at run time.

Shapes: B batch, T positions, S positions that are looked at, C width, H heads, E features of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from .flow import Flow


@dataclass(frozen=True)
class Shown:
    """A mixer's output, taken apart: `finish(weights @ values)` is what it gives for the same input."""

    weights: Tensor
    """[B, H, T, S], how much of the value of each position is in what a head has at position t. In self-attention S is
    T; in cross-attention, the positions of the memory. Of a recurrence that is linear in its values, these are the
    weights that it amounts to."""
    values: Tensor
    """[B, H, S, E]."""
    finish: Callable[[Tensor], Tensor]
    """From what the heads have mixed, [B, H, T, E], to the mixer's output [B, T, C]."""
    adds_up: bool
    """Whether the weights of each position are shares: at least 0, and 1 in sum."""


@runtime_checkable
class Shows(Protocol):
    """A mixer whose output is a sum of values, by weights that it can show.

    For one that is linear in its values, the weights are what it makes of unit vectors: the value of position s is a
    vector with 1 at s and 0 elsewhere.
    """

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        """For the same x [B, T, C] and flow as its `forward` without a state; draws nothing, and drops nothing out."""
        ...


@runtime_checkable
class ReadsOut(Protocol):
    """A model that can hand its head the stream after any of its layers, as if that were the last."""

    def read_out(self, stream: Tensor) -> Tensor:
        """The stream after a layer, in whatever form it has, to the vectors [B, T, C] that the head reads."""
        ...


@runtime_checkable
class ShowsGates(Protocol):
    """A mixer with gates that open and close from position to position."""

    def gates(self, x: Tensor, flow: Flow) -> Mapping[str, Tensor]:
        """Each gate by its name, [B, T, features], from 0 (closed) to 1 (open), for the same x and flow as its
        `forward` without a state."""
        ...
