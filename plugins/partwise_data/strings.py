"""Copy, reverse, sort: the smallest tasks for a model of sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from partwise.data import Piece

from .drawing import Draw

Rule = Literal["copy", "reverse", "sort"]

RULES: Mapping[Rule, Callable[[list[int]], list[int]]] = {
    "copy": lambda places: places,
    "reverse": lambda places: places[::-1],
    "sort": sorted,
}


@dataclass(frozen=True)
class Strings:
    """Symbols drawn uniformly from the alphabet, in uniformly drawn lengths. `rule` makes the target from them; "sort"
    follows the order of the alphabet."""

    rule: Rule
    alphabet: str
    min_length: int
    max_length: int
    separator: str

    @property
    def sources(self) -> int:
        return sum(len(self.alphabet) ** length for length in range(self.min_length, self.max_length + 1))

    def draw(self, draw: Draw) -> tuple[Piece, ...]:
        places = [draw.below(len(self.alphabet)) for _ in range(draw.between(self.min_length, self.max_length))]
        return Piece(self._joined(places), scored=False), Piece(self._joined(RULES[self.rule](places)))

    def _joined(self, places: list[int]) -> str:
        return self.separator.join(self.alphabet[place] for place in places)
