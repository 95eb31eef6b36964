"""Generated tasks with a source and a target: dates to be rewritten, strings to be copied, reversed or sorted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, PositiveInt, model_validator

from .shared import Generated

if TYPE_CHECKING:
    from partwise_data.dates import WrittenDates
    from partwise_data.strings import Rule, Strings

Symbols = Annotated[str, Field(min_length=2)]


class Dates(Generated):
    """Dates in three dozen everyday forms, to be rewritten as ISO 8601; shows alignments (Bahdanau et al. 2015)."""

    name = "dates"
    first_year: Annotated[int, Field(ge=1000, le=9998)] = 1900
    """First year from which days are drawn."""
    last_year: Annotated[int, Field(ge=1000, le=9998)] = 2099
    """Last year from which days are drawn."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first_year > self.last_year:
            raise ValueError(f"first_year {self.first_year} comes after last_year {self.last_year}")
        return self

    def task(self) -> WrittenDates:
        from partwise_data.dates import WrittenDates

        return WrittenDates(self.first_year, self.last_year)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10)
        yield cls(size=50, valid=20, test=20, seed=1, first_year=1700, last_year=1750)


class OnStrings(Generated):
    """Base of the tasks on strings of symbols."""

    rule: ClassVar[Rule]
    """How the target follows from the source."""

    alphabet: Symbols = "abcdefghijklmnopqrstuvwxyz"
    """The symbols, each a different character; `sort` sorts by their order here."""
    min_length: PositiveInt = 4
    """Fewest symbols in a source."""
    max_length: PositiveInt = 12
    """Most symbols in a source."""
    separator: str = ""
    """What stands between symbols: nothing for a tokenizer of characters, a space for one of words."""
    test_min_length: PositiveInt | None = None
    """Fewest symbols in a source to test on; null: as many as in training."""
    test_max_length: PositiveInt | None = None
    """Most symbols in a source to test on; null: as many as in training. For longer ones than those trained on."""

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        twice = sorted({symbol for symbol in self.alphabet if self.alphabet.count(symbol) > 1})
        if twice:
            raise ValueError(f"alphabet holds {', '.join(map(repr, twice))} more than once")
        if self.separator and self.separator in self.alphabet:
            raise ValueError(f"separator {self.separator!r} is also in the alphabet")
        if self.min_length > self.max_length:
            raise ValueError(f"min_length {self.min_length} is greater than max_length {self.max_length}")
        least, most = self._tested
        if least > most:
            raise ValueError(
                f"the shortest source to test on, {least}, is longer than the longest, {most}; set test_min_length and "
                "test_max_length"
            )
        return self

    @property
    def _tested(self) -> tuple[int, int]:
        return self.test_min_length or self.min_length, self.test_max_length or self.max_length

    def task(self) -> Strings:
        return self._of_lengths(self.min_length, self.max_length)

    def test_task(self) -> Strings | None:
        trained_on = (self.min_length, self.max_length)
        return None if self._tested == trained_on else self._of_lengths(*self._tested)

    def _of_lengths(self, least: int, most: int) -> Strings:
        from partwise_data.strings import Strings

        return Strings(self.rule, self.alphabet, least, most, self.separator)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10)
        yield cls(
            size=50, valid=20, test=20, seed=1, alphabet="9876543210", min_length=3, max_length=6, separator=" ",
            test_min_length=7, test_max_length=9,
        )  # fmt: skip


class Copy(OnStrings):
    """Strings to be repeated as they are (Graves et al. 2014)."""

    name = "copy"
    rule = "copy"


class Reverse(OnStrings):
    """Strings to be written backwards (Grefenstette et al. 2015)."""

    name = "reverse"
    rule = "reverse"


class Sort(OnStrings):
    """Strings whose symbols are to be put in order (Vinyals et al. 2016)."""

    name = "sort"
    rule = "sort"
