"""Whether tiktoken makes of every text the byte pairs that the merges of a `tokenizer.json` make of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import regex

from partwise import PartError

from .byte_letters import byte_letters
from .patterns import whole_pattern

Pair = tuple[str, str]


class OtherPipelineError(PartError):
    """The file is in order, and does something that is not done here."""


def other(path: Path, what: str) -> OtherPipelineError:
    """The error for a file that does something else."""
    return OtherPipelineError(f"file: {path}: {what}")


class Made:
    """What merging makes of tokens: the library takes the earliest merge first, and tiktoken any two neighbours whose
    union has the lowest id. The two are the same where ids rise with the merges and the pieces of every token, merged,
    become that token: then no two neighbours with a union but without a merge ever meet.

    A pre-token that is a token becomes one at once with tiktoken, and in files that ignore merges, which may then have
    tokens that merging leaves in pieces, if in three or more: two would meet elsewhere, too.
    """

    def __init__(self, vocabulary: Mapping[str, int], merges: list[Pair], ignored: bool) -> None:
        self.vocabulary, self._ignored = vocabulary, ignored
        self._merges = merges
        self._order = {pair: place for place, pair in reversed(list(enumerate(merges)))}

    def check_order(self, path: Path) -> None:
        ranks = [self.vocabulary.get("".join(pair), -1) for pair in self._merges]
        if any(later < earlier for earlier, later in pairwise([0, *ranks])):
            raise other(path, "its ids are not in the order of its merges")

    def check(self, text: str, path: Path) -> None:
        """
        Raises:
            OtherPipelineError: tiktoken would make this token elsewhere than the file's merges do.
        """
        pieces = self._pieces(text) if len(text) > 1 else 1
        if pieces != 1 and not (self._ignored and pieces > 2):
            raise other(path, f"it has tokens that no merge makes, such as {text!r}")

    def from_text(self, text: str, pattern: str) -> bool:
        """Whether the letters of a special token, which is in the vocabulary, would become it."""
        letters = set(byte_letters())
        if not all(letter in letters for letter in text):
            return False
        whole = regex.findall(whole_pattern(pattern), text) == [text]
        return self._pieces(text) == 1 or (self._ignored and whole)

    def by_merges(self, text: str) -> bool:
        """Whether a text can become this token of the vocabulary."""
        return self._ignored or len(text) == 1 or self._pieces(text) == 1

    def _pieces(self, text: str) -> int:
        parts, order, last = list(text), self._order, len(self._order)
        while len(parts) > 1:
            places = [order.get(pair, last) for pair in pairwise(parts)]
            first = min(places)
            if first == last:
                break
            at = places.index(first)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return len(parts)
