"""Texts whose words or characters stand in another order: what order is worth, to a model and for a task.

Sinha et al., "Masked language modeling and the distributional hypothesis: order word matters pre-training for little"
(2021), arXiv:2104.06644, move n-grams about that stay whole. Here they move within windows, so that the size of the
window says how much of the order is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from partwise.data import Piece

from .drawing import Draw
from .rewriting import WORD, Unit


@dataclass(frozen=True)
class Shuffling:
    """Puts the words of each window, or its characters, into a random order.

    Words change places, and the white space between the places stays. `window` counts units; None is the whole text.
    `ngram` units that follow each other stay together.
    """

    unit: Unit
    window: int | None
    ngram: int

    closes = False

    def rewrite(self, text: str, draw: Draw) -> tuple[Piece, ...]:
        if self.unit == "character":
            return (Piece("".join(self._shuffled(text, draw))),)
        words = self._shuffled(WORD.findall(text), draw)
        spaces = WORD.split(text)
        pairs = zip(spaces, [*words, ""], strict=True)
        return (Piece("".join(part for pair in pairs for part in pair)),)

    def _shuffled(self, units: Sequence[str], draw: Draw) -> list[str]:
        found: list[str] = []
        size = self.window or max(len(units), 1)
        for start in range(0, len(units), size):
            window = units[start : start + size]
            grams = [window[place : place + self.ngram] for place in range(0, len(window), self.ngram)]
            found += [unit for gram in draw.sample(grams, len(grams)) for unit in gram]
        return found


__all__ = ["Shuffling"]
