"""Prompts: what a model reads before it writes, as a batch.

Shapes: B rows, T positions, M positions of the source.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from partwise.data.batch import IGNORED, Batch
from partwise.data.protocols import Tokenizer
from partwise.errors import InputError


def left_padded(rows: Sequence[Sequence[int]], end: int) -> Batch:
    """Token ids of unequal length as a prompt [B, T], padded on the left with `end`; an empty row becomes `end`."""
    filled = [list(row) or [end] for row in rows]
    longest = max(map(len, filled))
    tokens = torch.tensor([[end] * (longest - len(row)) + row for row in filled])
    lengths = torch.tensor([[len(row)] for row in filled])
    padding = torch.arange(longest) >= longest - lengths
    return Batch(tokens, torch.full_like(tokens, IGNORED), None if bool(padding.all()) else padding)


def text_prompt(tokenizer: Tokenizer, texts: Sequence[str]) -> Batch:
    """Beginnings of texts [B, T] for a language model to continue; "" leaves the whole text to the model."""
    return left_padded([[tokenizer.end, *tokenizer.encode(text)] for text in texts], tokenizer.end)


def source_prompt(tokenizer: Tokenizer, sources: Sequence[str]) -> Batch:
    """Sources [B, M] for a model of pairs, which begins each target with the end token.

    Raises:
        InputError: a source is empty; in training none is.
    """
    if not all(sources):
        raise InputError("this model answers a source, and an empty one says nothing; give it some text")
    encoded = [tokenizer.encode(source) for source in sources]
    if not all(encoded):
        raise InputError("this model answers a source, and to its tokenizer this one is empty; give it some text")
    ends = torch.full((len(sources), 1), tokenizer.end)
    # As in training, sources are padded on the right.
    flipped = left_padded([ids[::-1] for ids in encoded], tokenizer.end)
    padding = None if flipped.padding is None else flipped.padding.flip(1)
    return Batch(ends, torch.full_like(ends, IGNORED), source=flipped.tokens.flip(1), source_padding=padding)
