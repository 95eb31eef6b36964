"""What residual blocks share: branches that join a stream, and the norms of these branches.

    PreNormBlock     x + f(norm(x))
    PostNormBlock    norm(x + f(x))
    SandwichBlock    x + norm(f(norm(x)))
    OutputNormBlock  x + norm(f(x))
    ParallelBlock    x + f(norm(x)) + g(norm(x))

The first four take their branches in turn: the mixer, a mixer over the encoder's states if there is one,
a feed-forward if there is one. Everything is [B, T, C]. Where the formulas add, the model's residual part decides: it
reads a branch's input from the stream, and writes its output there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import Mixer, Residual, State

NewNorm = Callable[[], nn.Module]
"""Makes a norm with weights of its own."""
NewJoint = Callable[[], Residual]
"""Makes the joint of the next branch."""


class Branches(nn.Module):
    """Base of the blocks with one norm per branch, and one joint with the residual stream."""

    def __init__(
        self,
        mixer: Mixer,
        cross: Mixer | None,
        feedforward: nn.Module | None,
        norm: NewNorm,
        join: NewJoint,
        dropout: float,
    ) -> None:
        super().__init__()
        self.mixer, self.mixer_norm, self.mixer_join = mixer, norm(), join()
        self.cross, self.cross_norm, self.cross_join = cross, optional(norm, cross), optional(join, cross)
        self.feedforward, self.feedforward_norm = feedforward, optional(norm, feedforward)
        self.feedforward_join = optional(join, feedforward)
        self.dropout = dropout

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        return mixer_states(self.mixer, self.cross, batch, length, memory_length, like)


def optional(make: Callable[[], Any], branch: object | None) -> Any:
    """A norm or a joint for a branch, if the block has it."""
    return None if branch is None else make()


def dropped(block: Any, branch: Tensor) -> Tensor:
    """A branch's output after the block's dropout. (As a module it would cost decoding one call per branch.)"""
    return F.dropout(branch, block.dropout) if block.dropout and block.training else branch


def mixer_states(mixer: Mixer, cross: Mixer | None, batch: int, length: int, memory_length: int, like: Tensor) -> State:
    """The states of a block's mixers: cross-attention remembers the memory, not the text."""
    states: State = {"mixer": mixer.empty_state(batch, length, like)}
    if cross is not None:
        states["cross"] = cross.empty_state(batch, memory_length, like)
    return states
