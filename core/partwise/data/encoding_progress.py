"""Lines that tell how far the encoding of a split is."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from partwise.wording import size_in_words

from .protocols import Split
from .text_facts import TextFacts

QUICKEST, SLOWEST = 3.0, 60.0
"""Seconds between two lines: few at first, more the longer it takes."""


class EncodingProgress:
    """Says something of a split only if it takes more than a few seconds to encode."""

    def __init__(self, split: Split, say: Callable[[str], None]) -> None:
        self._split, self._say = split, say
        self._began = self._said = monotonic()
        self._had = 0
        self._noted: str | None = None

    def begin(self, had: TextFacts) -> None:
        """To be called where it begins; some of the texts may have been encoded before."""
        self._began, self._had = monotonic(), had.text_bytes
        if had.text_bytes:
            self._say(f"going on with the {self._split} split: {size_in_words(had.text_bytes)} are encoded already")

    def report(self, facts: TextFacts, note: str | None = None) -> None:
        """To be called now and then.

        Args:
            facts: what has been counted so far.
            note: what the tokenizer has to say of how it does it; told once.
        """
        if note is not None and note != self._noted:
            self._noted = note
            self._say(note)
        now = monotonic()
        passed = now - self._began
        if now - self._said < min(max(QUICKEST, passed / 20), SLOWEST):
            return
        self._said = now
        rate = size_in_words(int((facts.text_bytes - self._had) / passed))
        self._say(
            f"encoding the {self._split} split: {size_in_words(facts.text_bytes)} of text, "
            f"{facts.scored_tokens:,} tokens   {rate}/s"
        )
