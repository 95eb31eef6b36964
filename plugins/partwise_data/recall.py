"""Multi-query associative recall (Arora et al. 2023, "Zoology"): look up the value that a key had earlier in the text.

`AxBkCaBkAx`: first pairs of a key and a value, then some of the keys again, each with its value; only these values
are scored. Attention solves it at any size, a recurrence only as long as its state can hold the pairs.
"""

from __future__ import annotations

import math
import string
from dataclasses import dataclass

from partwise.data import Piece

from .drawing import Draw

KEYS = string.ascii_uppercase + "".join(map(chr, range(0x4E00, 0x4E00 + 4070)))
VALUES = string.ascii_lowercase + "".join(map(chr, range(0xAC00, 0xAC00 + 4070)))
"""Symbols of one character: letters and, beyond 26, Chinese and Korean characters."""


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
        pieces: list[Piece] = []
        for index in draw.sample(range(self.pairs), self.queries):
            before = self.separator if pieces else shown
            pieces += [Piece(before + keys[index] + self.separator, scored=False), Piece(values[index])]
        # The end is known from the length, not recalled: it counts with the last piece, which is not scored.
        return (*pieces, Piece("", scored=False))
