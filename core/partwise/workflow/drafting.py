"""A small run as the draft of a large one: whether it speaks the same tokens."""

from __future__ import annotations

from partwise.data.protocols import Tokenizer
from partwise.decoding.writing import Draft
from partwise.errors import InputError

from .reopening import Reopened, writing_of


def draft_of(reopened: Reopened, small: Reopened, tokens: int | None = None) -> Draft:
    """A draft for what `reopened` writes.

    Args:
        small: the run that proposes; the smaller it is, the less its proposals cost.
        tokens: how many it proposes at once; as many as a `Draft` does unless told otherwise.

    Raises:
        InputError: one of the two answers sources, the small one cannot write, or its tokenizer is another.
    """
    place = small.run.directory
    if reopened.recipe.model.reads == "pair":
        raise InputError("this model answers a source, which a draft would not know; leave the draft out")
    try:
        pairs = writing_of(small, 1).pairs
    except InputError as error:
        raise InputError(f"{place} is no draft: {error}") from error
    if pairs:
        raise InputError(f"{place} is no draft: its model answers a source, and does not continue a text")
    difference = _difference(small.tokenizer, reopened.tokenizer)
    if difference:
        raise InputError(
            f"{place} is no draft for {reopened.run.directory}: {difference}; train one with the same tokenizer on the "
            "same texts"
        )
    return Draft(small.model) if tokens is None else Draft(small.model, tokens)


def _difference(one: Tokenizer, other: Tokenizer) -> str:
    """Where two tokenizers differ first, if they do: what an id adds to a text or, for a special token, its name."""
    if one.vocab_size != other.vocab_size:
        return f"its tokenizer has {one.vocab_size:,} tokens, and the run's {other.vocab_size:,}"
    for token in range(one.vocab_size):
        meanings = [tokenizer.token_bytes(token) or tokenizer.label(token) for tokenizer in (one, other)]
        if meanings[0] != meanings[1] or (one.end == token) != (other.end == token):
            return f"token {token} is {one.label(token)!r} to its tokenizer, and {other.label(token)!r} to the run's"
    return ""


__all__ = ["draft_of"]
