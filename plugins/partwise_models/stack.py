"""Input, stack of blocks and output head: what a language model, an encoder and a decoder share.

Shapes: B batch, T positions, C width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from partwise.modules import (
    Block,
    Embedding,
    Flow,
    LinearHead,
    PositionEncoder,
    State,
    StreamEnds,
    counts_places,
    placed,
)


class Input(nn.Module):
    """Token ids [B, T] to vectors [B, T, C]: the embedding, a projection if its width is not C, and a scale."""

    parameter_roles: ClassVar[Mapping[str, str]] = {"projection.weight": "embedding"}

    def __init__(self, embedding: Embedding, width: int, scale: float) -> None:
        super().__init__()
        self.embedding = embedding
        fits = embedding.width == width
        self.projection = None if fits else nn.Linear(embedding.width, width, bias=False)
        self.scale = scale

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        if self.projection is not None:
            x = self.projection(x)
        return x if self.scale == 1.0 else x * self.scale


@dataclass(frozen=True)
class Positions:
    """The position encoders of a stack."""

    first: PositionEncoder
    """The one that acts on the embedding."""
    inside: Mapping[tuple[int, int], PositionEncoder]
    """Those that act inside attention, by heads and head width: one for each shape that there is."""


class Stack(nn.Module):
    """x [B, T, C] through positions, a norm if there is one, dropout, every block and the final norm, to [B, T, C].

    The position encoder acts on the embedding and, for each shape of heads, in every attention without a position of
    its own. `order` says which block is passed when: a block that is passed twice uses the same weights, and has two
    states. `ends` open and close a residual stream that is wider than the vectors.

    Raises:
        ValueError: from `forward`, if there are more tokens than the position encoder knows positions.
    """

    def __init__(
        self,
        blocks: list[Block],
        order: list[int],
        positions: Positions,
        ends: StreamEnds | None,
        final_norm: nn.Module,
        dropout: float,
        embedding_norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.position = positions.first
        self.counts = counts_places(positions.first)
        others = list(positions.inside.values())[1:]
        self.other_positions = nn.ModuleList(others) if others else None  # type: ignore[arg-type]
        self.shapes = list(positions.inside)
        self.embedding_norm = embedding_norm
        self.ends = ends
        self.dropout = dropout
        self.blocks = nn.ModuleList(blocks)  # type: ignore[arg-type]
        self.order = order
        self.final_norm = final_norm

    def forward(self, x: Tensor, flow: Flow, states: list[State] | None = None) -> Tensor:
        limit = self.position.max_positions
        if limit is not None and flow.end > limit and not self.counts:
            raise ValueError(f"{flow.end} positions asked of a position encoder that knows {limit}")
        x = placed(self.position, x, flow, states[-1] if states is not None and self.counts else None)
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        if self.shapes:
            flow = flow.placed_by_all(dict(zip(self.shapes, self._encoders(), strict=True)))
        if self.dropout and self.training:
            x = nn.functional.dropout(x, self.dropout)
        if self.ends is not None:
            x = self.ends.open(x)
        for index, place in enumerate(self.order):
            x = self.blocks[place](x, flow, None if states is None else states[index])
        return self.read_out(x)

    def read_out(self, stream: Tensor) -> Tensor:
        """What the head reads, [B, T, C], from the stream after a layer: usually the last."""
        return self.final_norm(stream if self.ends is None else self.ends.close(stream))

    def _encoders(self) -> list[Any]:
        return [self.position, *(self.other_positions or ())]

    def empty_states(self, batch: int, length: int, memory_length: int, like: Tensor) -> list[State]:
        """One empty state for each time that a block is passed, and one for positions that count for themselves."""
        states = [self.blocks[place].empty_state(batch, length, memory_length, like) for place in self.order]  # type: ignore[operator]
        return [*states, self.position.empty_state(batch, like)] if self.counts else states  # type: ignore[attr-defined]


class Head(nn.Module):
    """Vectors [..., C] to logits [..., V].

    A tied head has no weights of its own: it is given the embedding's `table` [V, C] instead (Press & Wolf 2017).
    `cap` bounds logits to (-cap, cap) by cap * tanh(logit / cap); `scale` is a factor of them before that.
    """

    parameter_roles: ClassVar[Mapping[str, str]] = {"linear.weight": "head"}

    def __init__(
        self, width: int, vocabulary: int, tied: bool, bias: bool, cap: float | None, scale: float = 1.0
    ) -> None:
        super().__init__()
        self.linear = None if tied else nn.Linear(width, vocabulary, bias=bias)
        self.bias = nn.Parameter(torch.zeros(vocabulary)) if tied and bias else None
        self.cap = cap
        self.scale = scale

    def reset_parameters(self) -> None:
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, table: Tensor | None) -> Tensor:
        head = self.over(table)
        return head.logits(x) if self.linear is None else head.bounded(self.linear(x))

    def over(self, table: Tensor | None) -> LinearHead:
        """The same as its weights and numbers alone, which a loss is computed from."""
        weight, bias = (table, self.bias) if self.linear is None else (self.linear.weight, self.linear.bias)
        assert weight is not None
        return LinearHead(weight, bias, self.cap, self.scale)
