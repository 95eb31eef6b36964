"""Residual blocks: branches added to a stream, and where the norm stands.

    PreNormBlock     x + f(norm(x))                 GPT-2 (Radford et al. 2019); Xiong et al. 2020
    PostNormBlock    norm(x + f(x))                 Vaswani et al. 2017
    SandwichBlock    x + norm(f(norm(x)))           CogView (Ding et al. 2021), Gemma 2
    ParallelBlock    x + f(norm(x)) + g(norm(x))    GPT-J (Wang & Komatsuzaki 2021), PaLM

The first three take their branches in turn: the mixer, a mixer over the encoder's states if there is one,
a feed-forward if there is one. Everything is [B, T, C].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from partwise.modules import Flow, Mixer, State

NewNorm = Callable[[], nn.Module]
"""Makes a norm with weights of its own."""


class PreNormBlock(nn.Module):
    """x + dropout(f(norm(x))) for each branch f."""

    def __init__(
        self, mixer: Mixer, cross: Mixer | None, feedforward: nn.Module | None, norm: NewNorm, dropout: float
    ) -> None:
        super().__init__()
        self.mixer, self.mixer_norm = mixer, norm()
        self.cross, self.cross_norm = cross, optional(norm, cross)
        self.feedforward, self.feedforward_norm = feedforward, optional(norm, feedforward)
        self.dropout = dropout

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x = x + dropped(self, self.mixer(self.mixer_norm(x), flow, state and state["mixer"]))
        if self.cross is not None:
            x = x + dropped(self, self.cross(self.cross_norm(x), flow, state and state["cross"]))
        if self.feedforward is not None:
            x = x + dropped(self, self.feedforward(self.feedforward_norm(x)))
        return x

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        return mixer_states(self.mixer, self.cross, batch, length, memory_length, like)


class PostNormBlock(nn.Module):
    """norm(x + dropout(f(x))) for each branch f."""

    def __init__(
        self, mixer: Mixer, cross: Mixer | None, feedforward: nn.Module | None, norm: NewNorm, dropout: float
    ) -> None:
        super().__init__()
        self.mixer, self.mixer_norm = mixer, norm()
        self.cross, self.cross_norm = cross, optional(norm, cross)
        self.feedforward, self.feedforward_norm = feedforward, optional(norm, feedforward)
        self.dropout = dropout

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x = self.mixer_norm(x + dropped(self, self.mixer(x, flow, state and state["mixer"])))
        if self.cross is not None:
            x = self.cross_norm(x + dropped(self, self.cross(x, flow, state and state["cross"])))
        if self.feedforward is not None:
            x = self.feedforward_norm(x + dropped(self, self.feedforward(x)))
        return x

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        return mixer_states(self.mixer, self.cross, batch, length, memory_length, like)


class SandwichBlock(nn.Module):
    """x + dropout(output_norm(f(norm(x)))) for each branch f."""

    def __init__(
        self, mixer: Mixer, cross: Mixer | None, feedforward: nn.Module | None, norm: NewNorm, dropout: float
    ) -> None:
        super().__init__()
        self.mixer, self.mixer_norm, self.mixer_output_norm = mixer, norm(), norm()
        self.cross, self.cross_norm, self.cross_output_norm = cross, optional(norm, cross), optional(norm, cross)
        self.feedforward, self.feedforward_norm = feedforward, optional(norm, feedforward)
        self.feedforward_output_norm = optional(norm, feedforward)
        self.dropout = dropout

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        h = self.mixer(self.mixer_norm(x), flow, state and state["mixer"])
        x = x + dropped(self, self.mixer_output_norm(h))
        if self.cross is not None:
            h = self.cross(self.cross_norm(x), flow, state and state["cross"])
            x = x + dropped(self, self.cross_output_norm(h))
        if self.feedforward is not None:
            h = self.feedforward(self.feedforward_norm(x))
            x = x + dropped(self, self.feedforward_output_norm(h))
        return x

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        return mixer_states(self.mixer, self.cross, batch, length, memory_length, like)


class ParallelBlock(nn.Module):
    """x + dropout(mixer(norm(x))) + dropout(feedforward(norm(x))): both branches read the same x.

    With `feedforward_norm` each branch has a norm of its own (GPT-NeoX); without, they share one (GPT-J, PaLM).
    """

    def __init__(
        self, mixer: Mixer, feedforward: nn.Module, norm: nn.Module, feedforward_norm: nn.Module | None, dropout: float
    ) -> None:
        super().__init__()
        self.mixer = mixer
        self.feedforward = feedforward
        self.norm = norm
        self.feedforward_norm = feedforward_norm
        self.dropout = dropout

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        h = self.norm(x)
        g = h if self.feedforward_norm is None else self.feedforward_norm(x)
        mixed = self.mixer(h, flow, state and state["mixer"])
        return x + dropped(self, mixed) + dropped(self, self.feedforward(g))

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        return mixer_states(self.mixer, None, batch, length, memory_length, like)


def optional(norm: NewNorm, branch: object | None) -> Any:
    """A norm for a branch that there may not be."""
    return None if branch is None else norm()


def dropped(block: Any, branch: Tensor) -> Tensor:
    """A branch's output after the block's dropout. (A module for it would cost decoding a call per branch.)"""
    return F.dropout(branch, block.dropout) if block.dropout and block.training else branch


def mixer_states(mixer: Mixer, cross: Mixer | None, batch: int, length: int, memory_length: int, like: Tensor) -> State:
    """The states of a block's mixers: cross-attention remembers the memory, not the text."""
    states: State = {"mixer": mixer.empty_state(batch, length, like)}
    if cross is not None:
        states["cross"] = cross.empty_state(batch, memory_length, like)
    return states
