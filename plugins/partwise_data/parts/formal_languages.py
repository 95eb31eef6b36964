"""Formal languages, tested at greater lengths than those trained on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import PositiveInt, model_validator

from .shared import Generated

if TYPE_CHECKING:
    from partwise_data.formal_languages import FormalLanguage


class FormalLanguages(Generated):
    """Words of a regular language with their answers, to be tested at lengths beyond training (Delétang et al. 2023).

    Every symbol is one character, for the tokenizer `char`.
    """

    name = "formal_language"
    language: Literal["even_pairs", "parity", "cycle_navigation", "modular_arithmetic", "s5", "a5"] = "parity"
    """even_pairs: is the number of changes even? parity: is that of the b's? cycle_navigation: the place on a cycle of
    five. modular_arithmetic: the value of an expression modulo 5. s5, a5: the product of permutations of five things,
    or of the even ones (state tracking, Merrill et al. 2024)."""
    min_length: PositiveInt = 1
    """Fewest symbols in a word to train and validate on."""
    max_length: PositiveInt = 40
    """Most symbols in a word to train and validate on."""
    test_min_length: PositiveInt = 41
    """Fewest symbols in a word to test on."""
    test_max_length: PositiveInt = 200
    """Most symbols in a word to test on; the model's context has to be three more."""
    repeats: bool = False
    """Draw words to train on independently, as the papers do. Otherwise each is trained on but once an epoch, and short
    words, from which a rule is learnt first, are rare, because there are few. Words held out are never trained on."""

    labels: Literal["answer", "every_prefix"] = "answer"
    """answer: a symbol after the word, "abba=y". every_prefix: at each symbol the answer to the word so far is
    predicted, which no model reads (Merrill et al. 2024); words to test on are scored at their last symbol alone."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for least, most in (("min_length", "max_length"), ("test_min_length", "test_max_length")):
            first, last = getattr(self, least), getattr(self, most)
            if first > last:
                raise ValueError(f"{least} {first} is greater than {most} {last}")
            if self.language == "modular_arithmetic" and first == last and first % 2 == 0:
                raise ValueError(f"{least} {first}: an expression has an odd number of symbols")
        return self

    def task(self) -> FormalLanguage:
        from partwise_data.formal_languages import FormalLanguage

        return FormalLanguage(self.language, self.min_length, self.max_length, self.labels)

    def test_task(self) -> FormalLanguage:
        from partwise_data.formal_languages import FormalLanguage

        labels = "last" if self.labels == "every_prefix" else self.labels
        return FormalLanguage(self.language, self.test_min_length, self.test_max_length, labels)

    def training_repeats(self) -> bool:
        return self.repeats

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=50, valid=10, test=10)
        yield cls(
            size=40, valid=20, test=20, seed=1, language="modular_arithmetic",
            min_length=5, max_length=9, test_min_length=11, test_max_length=15, repeats=True,
        )  # fmt: skip
        yield cls(size=40, valid=2, test=20, max_length=6, repeats=True, labels="every_prefix")
