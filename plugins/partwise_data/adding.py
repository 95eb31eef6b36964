"""The adding problem (Hochreiter & Schmidhuber 1997), in digits: how far a recurrence remembers.

`3④1⑨26535⑬`: digits, two of them circled, and then the sum of those two as one symbol, which is scored. One mark is
in the first quarter and one in the second, so that both digits must be remembered over half of the text or more. The
original adds real numbers drawn uniformly from 0 to 1; a digit d stands for (d + 0.5) / 10.
"""

from __future__ import annotations

from dataclasses import dataclass

from partwise.data import Piece

from .drawing import Draw

DIGITS = "0123456789"
CIRCLED = "⓪①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱"


@dataclass(frozen=True)
class Adding:
    """Digits are drawn uniformly, and so are the places of the marks within their quarters."""

    length: int

    @property
    def sources(self) -> int:
        return int(10**self.length) * (self.length // 4) ** 2

    def draw(self, draw: Draw) -> tuple[Piece, ...]:
        numbers = [draw.below(10) for _ in range(self.length)]
        quarter = self.length // 4
        marked = (draw.below(quarter), quarter + draw.below(quarter))
        shown = "".join((CIRCLED if place in marked else DIGITS)[number] for place, number in enumerate(numbers))
        answer = CIRCLED[sum(numbers[place] for place in marked)]
        # That the text ends here is known from its length: the end is not scored.
        return Piece(shown, scored=False), Piece(answer), Piece("", scored=False)
