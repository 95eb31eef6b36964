"""Addition of whole numbers, digit by digit: `321+54=861` where the lowest digit stands first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from partwise.data import Piece

from .drawing import Draw

Order = Literal["lowest_first", "highest_first"]


@dataclass(frozen=True)
class Addition:
    """Two numbers, of lengths drawn uniformly and independently, and their sum. None begins with a needless zero."""

    min_digits: int
    max_digits: int
    order: Order

    @property
    def sources(self) -> int:
        least = 0 if self.min_digits == 1 else 10 ** (self.min_digits - 1)
        return int(10**self.max_digits - least) ** 2

    def draw(self, draw: Draw) -> tuple[Piece, ...]:
        one, other = self._number(draw), self._number(draw)
        shown, answer = f"{self._written(one)}+{self._written(other)}=", self._written(one + other)
        return Piece(shown, scored=False), Piece(answer)

    def _number(self, draw: Draw) -> int:
        digits = draw.between(self.min_digits, self.max_digits)
        number = draw.below(10) if digits == 1 else draw.between(1, 9)
        for _ in range(digits - 1):
            number = 10 * number + draw.below(10)
        return number

    def _written(self, number: int) -> str:
        text = str(number)
        return text if self.order == "highest_first" else text[::-1]
