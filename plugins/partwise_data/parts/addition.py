"""Addition, tested on longer numbers than those trained on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from .shared import Generated

if TYPE_CHECKING:
    from partwise_data.addition import Addition

Digits = Annotated[int, Field(ge=1, le=1000)]


class AdditionOfNumbers(Generated):
    """Sums such as `321+54=861`, to be tested with more digits than trained on (McLeish et al. 2024, Cho et al. 2024).

    Every digit is one character, for the tokenizer `char` and the position `abacus`. The sum is scored.
    """

    name = "addition"
    min_digits: Digits = 1
    """Fewest digits of a number to train and validate on."""
    max_digits: Digits = 5
    """Most digits of a number to train and validate on; the two of a sum are drawn by themselves."""
    test_min_digits: Digits | None = None
    """Fewest digits of a number to test on; null: as many as in training."""
    test_max_digits: Digits | None = None
    """Most digits of a number to test on; null: as many as in training. The model's context must hold both numbers,
    their sum and the two signs."""
    order: Literal["lowest_first", "highest_first"] = "lowest_first"
    """Which digit of every number is written first. The lowest first is the order in which sums are computed."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for (least, most), names in (
            ((self.min_digits, self.max_digits), ("min_digits", "max_digits")),
            (self._tested, ("test_min_digits", "test_max_digits")),
        ):
            if least > most:
                raise ValueError(f"{names[0]} {least} is greater than {names[1]} {most}; set both")
        return self

    @property
    def _tested(self) -> tuple[int, int]:
        return self.test_min_digits or self.min_digits, self.test_max_digits or self.max_digits

    def task(self) -> Addition:
        from partwise_data.addition import Addition

        return Addition(self.min_digits, self.max_digits, self.order)

    def test_task(self) -> Addition | None:
        from partwise_data.addition import Addition

        trained_on = (self.min_digits, self.max_digits)
        return None if self._tested == trained_on else Addition(*self._tested, self.order)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10)
        yield cls(
            size=50, valid=20, test=20, seed=1, min_digits=2, max_digits=3, test_min_digits=4, test_max_digits=6,
            order="highest_first",
        )  # fmt: skip
