"""Samplers that decide one token at a time: the likeliest, or one drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Generator, Tensor

from partwise.decoding import Decoder, draw_from

Filter = Callable[[Tensor], Tensor]
"""From logits [B, V] to logits that are -inf for tokens that must not be drawn."""

FilterAfter = Callable[[Tensor, Tensor], Tensor]
"""The same, if it depends on the text so far: from logits [B, V] and `decoder.text` [B, n]."""


class Greedy:
    """Always takes the likeliest token."""

    def generate(self, decoder: Decoder, limit: int, generator: Generator) -> Iterator[Tensor]:
        return write(decoder, limit, lambda logits: logits.argmax(-1))

    def filter(self, logits: Tensor) -> Tensor:
        likeliest = logits.argmax(-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter(-1, likeliest, 0.0)


class Drawing:
    """Draws each token from the model's distribution after `filter`."""

    def __init__(self, filter: Filter) -> None:
        self.filter = filter

    def generate(self, decoder: Decoder, limit: int, generator: Generator) -> Iterator[Tensor]:
        return write(decoder, limit, lambda logits: draw(self.filter(logits), generator))


class DrawingAfter:
    """Draws each token from the model's distribution after a filter that depends on the text so far."""

    def __init__(self, filter_after: FilterAfter) -> None:
        self.filter_after = filter_after

    def generate(self, decoder: Decoder, limit: int, generator: Generator) -> Iterator[Tensor]:
        return write(decoder, limit, lambda logits: draw(self.filter_after(logits, decoder.text), generator))


class FilterChain:
    """Applies filters one after the other; each sees what the one before has left."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self.filters = filters

    def __call__(self, logits: Tensor) -> Tensor:
        for apply in self.filters:
            logits = apply(logits)
        return logits


class FilterChainAfter:
    """A chain for filters of which some depend on the text so far."""

    def __init__(self, filters: Sequence[FilterAfter]) -> None:
        self.filters = filters

    def __call__(self, logits: Tensor, text: Tensor) -> Tensor:
        for apply in self.filters:
            logits = apply(logits, text)
        return logits


def whatever_the_text(filter: Filter) -> FilterAfter:
    """A filter of logits alone, called as one that depends on the text."""
    return lambda logits, text: filter(logits)


def write(decoder: Decoder, limit: int, choose: Callable[[Tensor], Tensor]) -> Iterator[Tensor]:
    """Yields and appends the tokens [B] that `choose` returns for logits [B, V], until every row has ended."""
    ended = torch.zeros(len(decoder.logits), dtype=torch.bool, device=decoder.logits.device)
    for count in range(limit):
        tokens = choose(decoder.logits).masked_fill(ended, decoder.end)
        yield tokens
        ended |= decoder.ended(tokens)
        if count + 1 == limit or bool(ended.all()):
            return
        decoder.advance(tokens)


def draw(logits: Tensor, generator: Generator) -> Tensor:
    """One token per row, [B], drawn from the softmax of logits [B, V]."""
    return draw_from(logits.softmax(-1, torch.float32), generator)
