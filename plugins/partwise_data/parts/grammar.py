"""Text of a probabilistic grammar."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from partwise.parts import DataPart, DataSite

if TYPE_CHECKING:
    from partwise_data.grammar import GrammarText


class Grammar(DataPart):
    """Sentences of a probabilistic grammar of known entropy, the floor of every loss (Booth & Thompson 1973)."""

    name = "grammar"
    relative: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Probability that a noun carries a relative clause: how deep sentences nest."""
    words: Annotated[int, Field(ge=1, le=20)] = 12
    """Number of nouns, of transitive verbs and of intransitive verbs."""
    skew: NonNegativeFloat = 1.0
    """How uneven frequencies are: the probability of a class's k-th most frequent word is in proportion to k^-skew."""
    size: PositiveInt = 1_000_000
    """Characters to train on, rounded up to a whole sentence."""
    valid: NonNegativeInt = 100_000
    """Characters to validate on."""
    test: NonNegativeInt = 100_000
    """Characters to test on."""
    seed: NonNegativeInt = 0
    """Seed from which the sentences are drawn."""

    def build(self, site: DataSite) -> GrammarText:
        from partwise_data.drawing import Sizes
        from partwise_data.grammar import GrammarText

        return GrammarText(self.relative, self.words, self.skew, Sizes(self.size, self.valid, self.test), self.seed)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=2_000, valid=500, test=500)
        yield cls(size=3_000, valid=600, test=700, relative=0.1, words=5, skew=0.5, seed=1)
