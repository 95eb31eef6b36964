"""A stack of blocks with its position encoder: what a language model, an encoder and a decoder share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise.data import IGNORED, Batch
from partwise.modules import Block, Decoding, Embedding, Flow, PositionEncoder, State

from .cross_entropy import MOST_LOGITS, chunked_cross_entropy


class Input(nn.Module):
    """Token ids [B, T] to vectors [B, T, C]: embedding, projection if its width is not C, scale."""

    def __init__(self, embedding: Embedding, width: int, scale: float) -> None:
        super().__init__()
        self.embedding = embedding
        wider = embedding.width != width
        self.projection = nn.Linear(embedding.width, width, bias=False) if wider else None
        self.scale = scale

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        if self.projection is not None:
            x = self.projection(x)
        return x if self.scale == 1.0 else x * self.scale


class Stack(nn.Module):
    """x [B, T, C] through positions, dropout, every block and the final norm, to [B, T, C].

    `position` acts on the embedding and, if it `acts_inside`, in every attention without a position of its own.
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

    `table` [V, C], if given to `forward`, takes the place of weights of its own (tied embeddings, Press &
    Wolf 2017). `cap` bounds logits to (-cap, cap) by cap * tanh(logit / cap).
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
        """Cross-entropy in nats of the logits of x [B, T, C] against targets [B, T], summed over those that are scored.

        In chunks where the logits would be many: a batch of 16 rows of 1024 has 3.3 GB of them at a vocabulary of
        50,000, and their gradient as many again.
        """
        weight, bias = (table, self.bias) if self.linear is None else (self.linear.weight, self.linear.bias)
        assert weight is not None
        x, targets = x.flatten(0, -2), targets.flatten()
        if len(x) * len(weight) > MOST_LOGITS:
            return chunked_cross_entropy(x, weight, bias, self.cap, targets, max(1, MOST_LOGITS // len(weight)))
        return nn.functional.cross_entropy(self(x, table), targets, ignore_index=IGNORED, reduction="sum")


def positions_of(batch: Batch) -> Tensor:
    """Position of each token of a batch in its own text: [T], or [B, T] with padding or packed documents."""
    positions = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
    if batch.padding is not None:
        positions = (batch.padding.cumsum(1) - 1).clamp_min(0)
    if batch.documents is not None:
        first = torch.ones_like(batch.documents, dtype=torch.bool)
        first[:, 1:] = batch.documents[:, 1:] != batch.documents[:, :-1]
        positions = positions - (positions * first).cummax(1).values
    return positions


def flow_of_prompt(prompt: Batch, memory: Tensor | None = None) -> Flow:
    """The flow of a batch read from its beginning."""
    return Flow(
        positions=positions_of(prompt),
        padding=prompt.padding,
        documents=prompt.documents,
        memory=memory,
        memory_padding=prompt.source_padding,
    )


def decoding_after(prompt: Batch, states: list[State], room: int, memory: Tensor | None = None) -> Decoding:
    """The book-keeping of a model that has just read `prompt` into `states`."""
    length = prompt.tokens.shape[1]
    padding = positions = None
    if prompt.padding is not None:
        padding = torch.ones(len(prompt.tokens), room, dtype=torch.bool, device=prompt.tokens.device)
        padding[:, :length] = prompt.padding
        positions = prompt.padding.sum(1)
    return Decoding(states, length, room, padding, positions, memory, prompt.source_padding)


def flow_of_step(decoding: Decoding, device: torch.device) -> Flow:
    """The flow of one more token per row."""
    start = decoding.length
    positions = torch.tensor([start], device=device) if decoding.positions is None else decoding.positions[:, None]
    padding = None if decoding.padding is None else decoding.padding[:, : start + 1]
    return Flow(
        positions=positions,
        start=start,
        padding=padding,
        memory=decoding.memory,
        memory_padding=decoding.memory_padding,
    )


def advance(decoding: Decoding) -> None:
    """Counts the token that was just read."""
    decoding.length += 1
    if decoding.positions is not None:
        decoding.positions = decoding.positions + 1
