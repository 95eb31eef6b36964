"""Prompts: what a model reads before it writes, as a batch.

Shapes: B rows, T positions, M positions of the source.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from partwise.data.batch import IGNORED, Batch
from partwise.data.marks import marks_of
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


def text_prompt(tokenizer: Tokenizer, texts: Sequence[str], special: bool = False) -> Batch:
    """Beginnings of texts [B, T] for a language model to continue; "" leaves the whole text to the model.

    Each begins as texts of the model's family do, unless it begins so by itself; one that would be empty is the token
    that begins a text.

    Args:
        special: whether the names of special tokens in a text are those tokens; otherwise they are text.

    Raises:
        InputError: the tokenizer has no special tokens with names.
    """
    marks = marks_of(tokenizer)
    rows = [_after(marks.before_prompt, _encoded(tokenizer, text, special)) or [marks.begin] for text in texts]
    return left_padded(rows, tokenizer.end)


def _after(before: Sequence[int], ids: list[int]) -> list[int]:
    """Only a prompt that names special tokens can begin with them, and then it has them already."""
    return ids if tuple(ids[: len(before)]) == tuple(before) else [*before, *ids]


def _encoded(tokenizer: Tokenizer, text: str, special: bool) -> list[int]:
    if not special:
        return tokenizer.encode(text)
    encode = getattr(tokenizer, "encode_special", None)
    if encode is None:
        raise InputError(
            "this tokenizer has no special tokens with names, so that they cannot stand in a prompt; leave special out"
        )
    ids: list[int] = encode(text)
    return ids


def source_prompt(tokenizer: Tokenizer, sources: Sequence[str], special: bool = False) -> Batch:
    """Sources [B, M] for a model of pairs, between the marks of its family, and the start of each target.

    Args:
        special: whether the names of special tokens in a source are those tokens; otherwise they are text.

    Raises:
        InputError: a source is empty; in training none is. Or the tokenizer has no special tokens with names.
    """
    if not all(sources):
        raise InputError("this model answers a source, and an empty one says nothing; give it some text")
    encoded = [_encoded(tokenizer, source, special) for source in sources]
    if not all(encoded):
        raise InputError("this model answers a source, and to its tokenizer this one is empty; give it some text")
    marks = marks_of(tokenizer)
    starts = torch.full((len(sources), 1), marks.start)
    rows = [[*marks.before_source, *ids, *marks.after_source] for ids in encoded]
    # As in training, sources are padded on the right.
    flipped = left_padded([row[::-1] for row in rows], tokenizer.end)
    padding = None if flipped.padding is None else flipped.padding.flip(1)
    return Batch(starts, torch.full_like(starts, IGNORED), source=flipped.tokens.flip(1), source_padding=padding)
