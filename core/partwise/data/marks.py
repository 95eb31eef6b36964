"""`Marks`: the special tokens that stand around a text, as the family of a model has them. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from .protocols import Tokenizer


@dataclass(frozen=True)
class Marks:
    """What stands before and after texts. A tokenizer may offer each of these as an attribute; what it leaves out is
    taken from its `end`."""

    end: int
    """Id of the token that ends a text in training, and that fills up what is shorter than its neighbours."""
    begin: int
    """What a model of sequences reads first in training; `end` unless the tokenizer says otherwise."""
    ends: tuple[int, ...]
    """Ids that end a text that is written; `end` alone unless the tokenizer says otherwise."""
    before_prompt: tuple[int, ...]
    """What a prompt begins with: `begin` unless the tokenizer says otherwise. It may be nothing (GPT-2)."""
    start: int
    """What the decoder of a model of pairs reads first: `begin` unless the tokenizer says otherwise."""
    before_source: tuple[int, ...]
    """What a source begins with; nothing unless the tokenizer says otherwise."""
    after_source: tuple[int, ...]
    """What a source ends with; nothing unless the tokenizer says otherwise (T5: its end)."""

    @classmethod
    def plain(cls, end: int) -> Marks:
        """One token ends a text and begins the next, and sources stand alone."""
        return cls(end, end, (end,), (end,), end, (), ())


def marks_of(tokenizer: Tokenizer) -> Marks:
    """The marks of any tokenizer, those that know one end token included."""
    begin: int = getattr(tokenizer, "begin", tokenizer.end)
    return Marks(
        end=tokenizer.end,
        begin=begin,
        ends=tuple(getattr(tokenizer, "ends", (tokenizer.end,))),
        before_prompt=tuple(getattr(tokenizer, "before_prompt", (begin,))),
        start=getattr(tokenizer, "start", begin),
        before_source=tuple(getattr(tokenizer, "before_source", ())),
        after_source=tuple(getattr(tokenizer, "after_source", ())),
    )
