"""A text as a tokenizer cuts it."""

from __future__ import annotations

from collections.abc import Sequence

from partwise.data.protocols import Tokenizer

from .facts import Cut, Merges, Token
from .subject import Subject

WORDS = 60
"""Words whose merges are shown."""


def cut(one: Subject, text: str) -> Cut:
    """The text, as the tokenizer of a run or a recipe cuts it."""
    tokenizer = one.tokenizer
    tokens = tuple(token(tokenizer, id) for id in tokenizer.encode(text))
    steps = getattr(tokenizer, "merge_steps", None)
    words = {} if steps is None else dict(steps(text))
    merges = tuple(Merges(word, tuple(tuple(step) for step in taken)) for word, taken in words.items())[:WORDS]
    return Cut(one.recipe.tokenizer.name, one.name, tokenizer.vocab_size, tokens, merges)


def token(tokenizer: Tokenizer, id: int) -> Token:
    """A token with all that is known of it; one that only the model knows, such as a mask, has a name of its own."""
    if id >= tokenizer.vocab_size:
        return Token(id, f"<{id}>", "")
    return Token(id, tokenizer.label(id), tokenizer.token_bytes(id).hex())


def tokens(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[Token, ...]:
    """Those of several ids."""
    return tuple(token(tokenizer, id) for id in ids)
