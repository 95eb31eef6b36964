"""Residual blocks: branches added to a stream, and where the norm stands.

    PreNorm     x + f(norm(x))            GPT-2 (Radford et al. 2019); Xiong et al. 2020
    PostNorm    norm(x + f(x))            Vaswani et al. 2017
    Sandwich    x + norm(f(norm(x)))      CogView (Ding et al. 2021), Gemma 2
    Parallel    x + f(norm(x)) + g(norm(x))   GPT-J (Wang & Komatsuzaki 2021), PaLM

Shapes: everything is [B, T, C].
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from partwise.flow import Flow, State
from partwise.interfaces import Mixer

Branch = Callable[[Tensor], Tensor]


class PreNorm(nn.Module):
    """x + dropout(f(norm(x)))."""

    def __init__(self, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm = norm
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, branch: Branch) -> Tensor:
        return x + self.dropout(branch(self.norm(x)))


class PostNorm(nn.Module):
    """norm(x + dropout(f(x)))."""

    def __init__(self, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm = norm
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, branch: Branch) -> Tensor:
        return self.norm(x + self.dropout(branch(x)))


class Sandwich(nn.Module):
    """x + dropout(norm_after(f(norm_before(x))))."""

    def __init__(self, before: nn.Module, after: nn.Module, dropout: float) -> None:
        super().__init__()
        self.before = before
        self.after = after
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, branch: Branch) -> Tensor:
        return x + self.dropout(self.after(branch(self.before(x))))


class ResidualBlock(nn.Module):
    """Mixer, then cross-attention if there is one, then feed-forward if there is one, each within its residual."""

    def __init__(
        self,
        mixer: Mixer,
        cross: Mixer | None,
        feedforward: nn.Module | None,
        residual: Callable[[], nn.Module],
    ) -> None:
        """`residual` makes a PreNorm, PostNorm or Sandwich, a new one at each call."""
        super().__init__()
        self.mixer = mixer
        self.mixer_residual = residual()
        self.cross = cross
        self.cross_residual = residual() if cross is not None else None
        self.feedforward = feedforward
        self.feedforward_residual = residual() if feedforward is not None else None

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        x = self.mixer_residual(x, lambda h: self.mixer(h, flow, state and state["mixer"]))
        if self.cross is not None and self.cross_residual is not None:
            cross = self.cross
            x = self.cross_residual(x, lambda h: cross(h, flow, state and state["cross"]))
        if self.feedforward_residual is not None:
            x = self.feedforward_residual(x, self.feedforward)
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
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        h = self.norm(x)
        g = h if self.feedforward_norm is None else self.feedforward_norm(x)
        mixed = self.mixer(h, flow, state and state["mixer"])
        return x + self.dropout(mixed) + self.dropout(self.feedforward(g))

    def empty_state(self, batch: int, length: int, memory_length: int, like: Tensor) -> State:
        return mixer_states(self.mixer, None, batch, length, memory_length, like)


def mixer_states(mixer: Mixer, cross: Mixer | None, batch: int, length: int, memory_length: int, like: Tensor) -> State:
    """The states of a block's mixers: cross-attention remembers the memory, not the text."""
    states: State = {"mixer": mixer.empty_state(batch, length, like)}
    if cross is not None:
        states["cross"] = cross.empty_state(batch, memory_length, like)
    return states
