"""What residual blocks share: branches that are added to a stream, and the norms of these branches.

    PreNormBlock     x + f(norm(x))
    PostNormBlock    norm(x + f(x))
    SandwichBlock    x + norm(f(norm(x)))
    ParallelBlock    x + f(norm(x)) + g(norm(x))

The first three take their branches in turn: the mixer, a mixer over the encoder's states if there is one,
a feed-forward if there is one. Everything is [B, T, C].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import Mixer, State

NewNorm = Callable[[], nn.Module]
"""Makes a norm with weights of its own."""


class Branches(nn.Module):
    """Base of the blocks with one norm per branch."""

    def __init__(
        self, mixer: Mixer, cross: Mixer | None, feedforward: nn.Module | None, norm: NewNorm, dropout: float
    ) -> None:
        super().__init__()
        self.mixer, self.mixer_norm = mixer, norm()
        self.cross, self.cross_norm = cross, optional(norm, cross)
        self.feedforward, self.feedforward_norm = feedforward, optional(norm, feedforward)
        self.dropout = dropout

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        return mixer_states(self.mixer, self.cross, batch, length, memory_length, like)


def optional(norm: NewNorm, branch: object | None) -> Any:
    """A norm for a branch, if the block has it."""
    return None if branch is None else norm()


def dropped(block: Any, branch: Tensor) -> Tensor:
    """A branch's output after the block's dropout. (As a module it would cost decoding one call per branch.)"""
    return F.dropout(branch, block.dropout) if block.dropout and block.training else branch


def mixer_states(mixer: Mixer, cross: Mixer | None, batch: int, length: int, memory_length: int, like: Tensor) -> State:
    """The states of a block's mixers: cross-attention remembers the memory, not the text."""
    states: State = {"mixer": mixer.empty_state(batch, length, like)}
    if cross is not None:
        states["cross"] = cross.empty_state(batch, memory_length, like)
    return states
