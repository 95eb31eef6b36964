"""Stop strings: a text ends before the first of them, and nothing of it is shown.

All is done with bytes, since a token may hold half a character, and a stop string may span tokens. UTF-8 makes that
right: the bytes of one character are never found within others.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from partwise.data.protocols import Tokenizer
from partwise.errors import InputError


class StopStrings:
    """Strings that end a text as soon as one of them is complete.

    Raises:
        InputError: one is empty, which would end every text before it begins.
    """

    def __init__(self, strings: Sequence[str], tokenizer: Tokenizer) -> None:
        if not all(strings):
            raise InputError("a stop string is empty, and would end every text before it begins; leave it out")
        self._strings = tuple(dict.fromkeys(string.encode("utf-8", "surrogatepass") for string in strings))
        self._longest = max(map(len, self._strings), default=0)
        self._tokenizer = tokenizer

    def __bool__(self) -> bool:
        return bool(self._strings)

    def completed(self, written: Sequence[int]) -> bool:
        """Whether the last of the tokens written completes a stop string."""
        last = self._tokenizer.token_bytes(written[-1])
        tail, enough = last, len(last) + self._longest - 1
        for token in reversed(written[:-1]):
            if len(tail) >= enough:
                break
            tail = self._tokenizer.token_bytes(token) + tail
        before = len(tail) - len(last)
        return any(tail.find(stop, max(0, before + 1 - len(stop))) >= 0 for stop in self._strings)

    def first(self, text: bytes) -> int | None:
        """Where the stop string begins that is complete first; of two at once, the longer."""
        found = [(at + len(stop), at) for stop in self._strings if (at := text.find(stop)) >= 0]
        return min(found)[1] if found else None

    def begun(self, text: bytes) -> int:
        """How many bytes at the end of a text could be the beginning of a stop string."""
        lengths = range(min(len(text), self._longest - 1), 0, -1)
        return next((n for n in lengths if any(stop.startswith(text[-n:]) for stop in self._strings)), 0)


class Row:
    """The text of one row, in pieces: characters come when they are complete, and when no stop string begins there."""

    def __init__(self, stops: StopStrings) -> None:
        self.ended = False
        """Whether a stop string has ended the text."""
        self._stops = stops
        self._held = b""
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token_bytes: bytes) -> str:
        """The characters that a token adds to what is shown."""
        held = self._held + token_bytes
        stop = self._stops.first(held)
        self.ended = stop is not None
        shown = len(held) - self._stops.begun(held) if stop is None else stop
        self._held = b"" if self.ended else held[shown:]
        return self._characters.decode(held[:shown])

    def rest(self) -> str:
        """What was held back, now that the text is over."""
        return self._characters.decode(self._held, final=True)


__all__ = ["Row", "StopStrings"]
