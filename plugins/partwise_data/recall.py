"""Multi-query associative recall (Arora et al. 2023, "Zoology"): look up the value that a key had earlier in the text.

`AxBkCaBkAx`: first pairs of a key and a value, then some of the keys again, each with its value; only these values
are scored. Attention solves it at any size, a recurrence only as long as its state can hold the pairs.

`AxBkCaBk..Ca....Ax..`: with a length, the keys asked for stand apart, at distances from the pairs that follow a power
law, as between two occurrences of a pair of words in texts.
"""

from __future__ import annotations

import math
import string
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate, pairwise

from partwise.data import Piece

from .drawing import Draw

KEYS = string.ascii_uppercase + "".join(map(chr, range(0x4E00, 0x4E00 + 4070)))
VALUES = string.ascii_lowercase + "".join(map(chr, range(0xAC00, 0xAC00 + 4070)))
"""Symbols of one character: letters and, beyond 26, Chinese and Korean characters."""
FILLER = "."
EXPONENT = -0.99
"""Of the power law of distances, as in the paper's experiments (`power_a` - 1 in the authors' code)."""


@dataclass(frozen=True)
class Recall:
    """Keys differ within an example; values are drawn independently."""

    pairs: int
    queries: int
    keys: int
    values: int
    separator: str

    @property
    def sources(self) -> int:
        return math.perm(self.keys, self.pairs) * self.values**self.pairs

    def draw(self, draw: Draw) -> tuple[Piece, ...]:
        keys = draw.sample(KEYS[: self.keys], self.pairs)
        values = [draw.choice(VALUES[: self.values]) for _ in keys]
        shown = "".join(key + self.separator + value + self.separator for key, value in zip(keys, values, strict=True))
        asked = draw.sample(range(self.pairs), self.queries)
        *before, after = self._fillers(draw)
        pieces: list[Piece] = []
        for index, filler in zip(asked, before, strict=True):
            opening = self.separator if pieces else shown
            pieces += [Piece(opening + filler + keys[index] + self.separator, scored=False), Piece(values[index])]
        # The end is known from the length, not recalled: it counts with the last piece, which is not scored.
        return (*pieces, Piece(after, scored=False))

    def _fillers(self, draw: Draw) -> list[str]:
        """What stands before each query, and behind the last."""
        return [""] * (self.queries + 1)


@dataclass(frozen=True)
class SpacedRecall(Recall):
    """In an example of `length` symbols, the queries stand in places drawn by a power law, the others are fillers."""

    length: int

    def _fillers(self, draw: Draw) -> list[str]:
        places = (self.length - 2 * self.pairs) // 2  # a query and its value take two symbols each
        taken = sorted(_by_power_law(draw, places, self.queries))
        gaps = [here - before - 1 for before, here in pairwise([-1, *taken, places])]
        *between, last = (2 * gap for gap in gaps)
        behind = last + self.length % 2
        filled = [(FILLER + self.separator) * count for count in between]
        return [*filled, (self.separator + FILLER) * behind]


def _by_power_law(draw: Draw, places: int, count: int) -> list[int]:
    """Different places, one after the other; place n, counted from 0, in proportion to (n + 1) ** EXPONENT."""
    rest, taken = list(range(places)), list[int]()
    for _ in range(count):
        sums = list(accumulate((place + 1) ** EXPONENT for place in rest))
        taken.append(rest.pop(bisect(sums, draw.uniform() * sums[-1], hi=len(rest) - 1)))
    return taken
