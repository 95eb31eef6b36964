"""Generated tasks that probe one ability: to look up, to carry over a distance, to find a rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from partwise.parts import DataSite

from .shared import Generated, HeldOut, Share

if TYPE_CHECKING:
    from partwise_data.adding import Adding
    from partwise_data.modular import ModularAddition
    from partwise_data.recall import Recall as RecallTask


class Recall(Generated):
    """Multi-query associative recall (Arora et al. 2023): keys with values, then keys whose values are asked for."""

    name = "recall"
    pairs: PositiveInt = 8
    """Keys that each example shows with a value."""
    queries: PositiveInt = 4
    """Keys asked for in each example; only their values are scored."""
    distinct_keys: Annotated[int, Field(ge=1, le=4096)] = 26
    """Number of different keys: A to Z and, beyond 26, Chinese characters."""
    distinct_values: Annotated[int, Field(ge=2, le=4096)] = 26
    """Number of different values: a to z and, beyond 26, Korean characters."""
    separator: str = ""
    """What stands between symbols: nothing for a tokenizer of characters, a space for one of words."""
    length: PositiveInt | None = None
    """Symbols in each example. Between the queries stand fillers, so that a query follows after a distance drawn from a
    power law, as in the paper; null: the queries follow at once, and nothing stands between them."""

    @model_validator(mode="after")
    def _has_answers(self) -> Self:
        least = 2 * (self.pairs + self.queries)
        if self.length is not None and self.length < least:
            raise ValueError(
                f"length {self.length} has no room for {self.pairs} pairs and {self.queries} queries with their "
                f"values; at least {least}"
            )
        if not self.queries <= self.pairs <= self.distinct_keys:
            raise ValueError(
                f"queries {self.queries}, pairs {self.pairs}, distinct_keys {self.distinct_keys}: "
                "no more queries than pairs, and no more pairs than distinct_keys"
            )
        return self

    def task(self) -> RecallTask:
        from partwise_data.recall import Recall as RecallTask
        from partwise_data.recall import SpacedRecall

        knobs = (self.pairs, self.queries, self.distinct_keys, self.distinct_values, self.separator)
        return RecallTask(*knobs) if self.length is None else SpacedRecall(*knobs, self.length)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10)
        yield cls(
            size=50, valid=20, test=20, seed=1, pairs=3, queries=2, distinct_keys=30, distinct_values=40, separator=" ",
            length=15,
        )  # fmt: skip


class AddingProblem(Generated):
    """Digits, then the sum of the two marked ones: how far a recurrence remembers (Hochreiter & Schmidhuber 1997).

    Every digit is one character, for the tokenizer `char`; other tokenizers may read all the digits as one word.
    """

    name = "adding"
    length: Annotated[int, Field(ge=4, le=10_000)] = 50
    """Digits in each example; one is marked in each of the first two quarters."""

    def task(self) -> Adding:
        from partwise_data.adding import Adding

        return Adding(self.length)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10, length=6)
        yield cls(size=50, valid=20, test=20, seed=1, length=9)


class Modular(HeldOut):
    """All sums modulo a number, on which networks grok: they get held-out sums right, but late (Power et al. 2022)."""

    name = "modular_addition"
    modulus: Annotated[int, Field(ge=2, le=500)] = 97
    """The number p. There are p^2 sums; every number is one symbol."""
    valid: Share = 0.5
    """Fraction held out to validate on: the more, the later a network groks."""
    test: Share = 0.0
    """Fraction held out to test on."""
    seed: NonNegativeInt = 0
    """Decides which sums are held out."""

    def build(self, site: DataSite) -> ModularAddition:
        from partwise_data.modular import ModularAddition
        from partwise_data.splits import Shares

        return ModularAddition(self.modulus, Shares(self.valid, self.test), self.seed)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(modulus=11, test=0.1)
        yield cls(modulus=13, valid=0.2, test=0.2, seed=1)
