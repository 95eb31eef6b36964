"""The adding problem (Hochreiter & Schmidhuber 1997), in digits: what a recurrence can carry over many steps.

`31④15⑨26⑬`: digits, two of them marked by a circle, one in each half; the sum of the two is asked for, as one
symbol. A digit d stands for the number (d + 0.5) / 10, so that numbers are spread over (0, 1) as in the original.
"""

from __future__ import annotations

from dataclasses import dataclass

from partwise.interfaces import Piece

from .drawing import Draw

DIGITS = "0123456789"
CIRCLED = "⓪①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱"


@dataclass(frozen=True)
class Adding:
    """Digits are drawn evenly, and so are the places of the marks within their halves."""

    length: int

    @property
    def sources(self) -> int:
        half = self.length // 2
        return int(10**self.length) * half * (self.length - half)

    def draw(self, draw: Draw) -> tuple[Piece, ...]:
        numbers = [draw.below(10) for _ in range(self.length)]
        half = self.length // 2
        marked = (draw.below(half), draw.between(half, self.length - 1))
        shown = "".join((CIRCLED if place in marked else DIGITS)[number] for place, number in enumerate(numbers))
        answer = CIRCLED[sum(numbers[place] for place in marked)]
        # That the text ends here is known from its length: the end is not scored.
        return Piece(shown, scored=False), Piece(answer), Piece("", scored=False)
