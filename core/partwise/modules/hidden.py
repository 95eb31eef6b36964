"""`Hidden`: what a model has made of a batch before its head, for whoever reads its hidden states.

Shapes: B batch, T positions, C width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .cross_entropy import LinearHead
from .flow import Flow


@dataclass(frozen=True)
class Hidden:
    """What a model has made of a batch, before its head."""

    states: Tensor
    """[B, T, C], the vectors that the head reads."""
    flow: Flow
    """The pass that made them; terms that its modules added are in it."""
    head: LinearHead
    """From vectors to logits."""
    embed: Callable[[Tensor], Tensor]
    """From ids [B, T] to vectors [B, T, C], as the model embeds them, without positions."""
