"""Input, stack of blocks and output head: what a language model, an encoder and a decoder share.

Shapes: B batch, T positions, C width, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise.data import IGNORED
from partwise.modules import Block, Embedding, Flow, PositionEncoder, State

from .cross_entropy import MOST_LOGITS, chunked_cross_entropy


class Input(nn.Module):
    """Token ids [B, T] to vectors [B, T, C]: the embedding, a projection if its width is not C, and a scale."""

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


class Stack(nn.Module):
    """x [B, T, C] through positions, dropout, every block and the final norm, to [B, T, C].

    `position` acts on the embedding and, if `acts_inside`, in every attention without a position of its own.

    Raises:
        ValueError: from `forward`, if there are more tokens than the position encoder knows positions.
    """

    def __init__(
        self, blocks: list[Block], position: PositionEncoder, acts_inside: bool, final_norm: nn.Module, dropout: float
    ) -> None:
        super().__init__()
        self.position = position
        self.acts_inside = acts_inside
        self.dropout = dropout
        self.blocks = nn.ModuleList(blocks)  # type: ignore[arg-type]
        self.final_norm = final_norm

    def forward(self, x: Tensor, flow: Flow, states: list[State] | None = None) -> Tensor:
        limit = self.position.max_positions
        if limit is not None and flow.end > limit:
            raise ValueError(f"{flow.end} positions asked of a position encoder that knows {limit}")
        x = self.position.embed(x, flow.positions)
        if self.acts_inside:
            flow = flow.placed_by(self.position)
        if self.dropout and self.training:
            x = nn.functional.dropout(x, self.dropout)
        for index, block in enumerate(self.blocks):
            x = block(x, flow, None if states is None else states[index])
        return self.final_norm(x)

    def empty_states(self, batch: int, length: int, memory_length: int, like: Tensor) -> list[State]:
        """One empty state per block."""
        return [block.empty_state(batch, length, memory_length, like) for block in self.blocks]  # type: ignore[operator]


class Head(nn.Module):
    """Vectors [..., C] to logits [..., V].

    A tied head has no weights of its own: `forward` is given the embedding's `table` [V, C] instead (Press & Wolf
    2017). `cap` bounds logits to (-cap, cap) by cap * tanh(logit / cap).
    """

    def __init__(self, width: int, vocabulary: int, tied: bool, bias: bool, cap: float | None) -> None:
        super().__init__()
        self.linear = None if tied else nn.Linear(width, vocabulary, bias=bias)
        self.bias = nn.Parameter(torch.zeros(vocabulary)) if tied and bias else None
        self.cap = cap

    def reset_parameters(self) -> None:
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, table: Tensor | None) -> Tensor:
        if self.linear is not None:
            logits = self.linear(x)
        else:
            assert table is not None
            logits = nn.functional.linear(x, table, self.bias)
        return logits if self.cap is None else self.cap * torch.tanh(logits / self.cap)

    def loss(self, x: Tensor, table: Tensor | None, targets: Tensor) -> Tensor:
        """Cross-entropy in nats of the logits of x [B, T, C] against targets [B, T], summed over the scored ones.

        Computed in chunks if the logits would take too much memory: 16 rows of 1024 tokens at a vocabulary of 50,000
        have 3.3 GB of them, and their gradient takes as much again.
        """
        weight, bias = (table, self.bias) if self.linear is None else (self.linear.weight, self.linear.bias)
        assert weight is not None
        x, targets = x.flatten(0, -2), targets.flatten()
        if len(x) * len(weight) > MOST_LOGITS:
            return chunked_cross_entropy(x, weight, bias, self.cap, targets, max(1, MOST_LOGITS // len(weight)))
        return nn.functional.cross_entropy(self(x, table), targets, ignore_index=IGNORED, reduction="sum")
