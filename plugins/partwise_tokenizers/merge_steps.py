"""How the words of a text come together, merge by merge, for people to see; encoding itself is tiktoken's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import regex

from .patterns import whole_pattern


def merge_steps(text: str, pattern: str, tokens: Sequence[bytes | None]) -> list[tuple[str, list[list[str]]]]:
    """Each word of a text with its pieces at first, which are bytes, and after each merge; tokens are by rank.

    Of all neighbours that can be joined, those are whose union has the lowest rank. What is not a whole character is
    written in hexadecimal.
    """
    ranks = {token: rank for rank, token in enumerate(tokens) if token is not None}
    words = regex.findall(whole_pattern(pattern), text)
    return [(word, [[_readable(piece) for piece in step] for step in _merged(word.encode(), ranks)]) for word in words]


def _merged(word: bytes, ranks: Mapping[bytes, int]) -> list[list[bytes]]:
    """The pieces of a word before the first merge, and after each."""
    pieces = [bytes([byte]) for byte in word]
    steps, never = [pieces], 1 << 62
    while len(pieces) > 1:
        unions = [ranks.get(left + right, never) for left, right in pairwise(pieces)]
        best = min(unions)
        if best == never:
            break
        at = unions.index(best)
        pieces = [*pieces[:at], pieces[at] + pieces[at + 1], *pieces[at + 2 :]]
        steps.append(pieces)
    return steps


def _readable(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return " ".join(f"{byte:02x}" for byte in piece)
