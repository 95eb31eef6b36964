"""Texts to rows of token ids, as models read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from partwise.data.marks import marks_of
from partwise.data.protocols import Tokenizer
from partwise.errors import InputError


@dataclass(frozen=True, eq=False)
class Row:
    """What a model reads, and the tokens at its end that are scored."""

    before: tuple[int, ...]
    """What stands before the scored tokens; at least one token."""
    targets: tuple[int, ...]
    """The scored tokens; all but the last are read, too."""
    source: tuple[int, ...] = ()
    """What an encoder reads; empty for a model without."""
    shortened: bool = False
    """Whether the prompt was too long, and lost its beginning."""

    @property
    def read(self) -> tuple[int, ...]:
        """What the model, or its decoder, reads."""
        return (*self.before, *self.targets[:-1])


class Rows:
    """Makes rows by the marks of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer, context: int, pairs: bool) -> None:
        self.tokenizer, self.context, self.pairs, self.marks = tokenizer, context, pairs, marks_of(tokenizer)

    def of(self, prompt: str, continuation: str) -> Row:
        """A continuation after a prompt.

        Raises:
            InputError: it is empty, or too long.
        """
        return self._pair(prompt, continuation) if self.pairs else self._sequence(prompt, continuation)

    def _sequence(self, prompt: str, continuation: str) -> Row:
        whole, alone = self.tokenizer.encode(prompt + continuation), self.tokenizer.encode(prompt)
        shared = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(whole, alone, strict=False)))
        targets = tuple(whole[shared:])
        self._check(continuation, targets)
        before = (*self.marks.before_prompt, *whole[:shared]) or (self.marks.begin,)
        room = self.context + 1 - len(targets)
        return Row(before[-room:], targets, shortened=len(before) > room)

    def _pair(self, prompt: str, continuation: str) -> Row:
        marks, ids = self.marks, self.tokenizer.encode(prompt)
        targets, source = tuple(self.tokenizer.encode(continuation)), (*marks.before_source, *ids, *marks.after_source)
        self._check(continuation, targets)
        if not ids:
            raise InputError("this model answers a source, and an empty one says nothing; give each item a prompt")
        if len(source) > self.context:
            raise InputError(
                f"the source {_shown(prompt)} has {len(source)} tokens, and this model's context is {self.context}"
            )
        return Row((marks.start,), targets, source)

    def _check(self, continuation: str, targets: Sequence[int]) -> None:
        if not targets:
            raise InputError(f"the continuation {_shown(continuation)} adds no token to its prompt; leave the item out")
        if len(targets) > self.context:
            raise InputError(
                f"the continuation {_shown(continuation)} has {len(targets)} tokens, and this model's context is "
                f"{self.context}; leave the item out, or shorten it"
            )

    def windows(self, text: str, length: int, end: bool = True) -> list[Row]:
        """A whole text, with its end unless told otherwise, in windows of `length` tokens side by side: each but the
        first begins by reading the last token of the one before."""
        ids = [self.marks.begin, *self.tokenizer.encode(text), *([self.marks.end] if end else [])]
        starts = range(0, len(ids) - 1, length)
        return [Row((ids[start],), tuple(ids[start + 1 : start + 1 + length])) for start in starts]

    def rolling(self, text: str) -> list[Row]:
        """A whole text without its end: the windows of a whole context, but the last reads as much before its tokens as
        the context has room for."""
        rows = self.windows(text, self.context, end=False)
        if len(rows) < 2:
            return rows
        before, last = rows[-2], rows[-1]
        room = self.context + 1 - len(last.targets)
        return [*rows[:-1], Row((*before.before, *before.targets)[-room:], last.targets)]


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


__all__ = ["Row", "Rows"]
