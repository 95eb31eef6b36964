"""Sentences in which words are known by their company."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from pydantic import NonNegativeInt, PositiveInt

from partwise.parts import DataPart, DataSite

if TYPE_CHECKING:
    from partwise_data.relations import Relations as RelationsData


class Relations(DataPart):
    """Sentences about kin and royalty, capitals and countries: words whose relations are known, for word vectors.

    A king is to a queen as a man is to a woman, and Paris to France as Rome to Italy; no sentence says so. All words
    are in lower case. Each sentence is a text of its own: "rows": {"documents": "masked"} keeps them apart. There are
    some 1,200 of them, so that they come again, in every split: what is learned is judged by analogies.
    """

    name = "relations"
    known_failures = MappingProxyType(
        {"splits_share_nothing": "there are some 1,200 different sentences, and each split draws from all of them"}
    )

    size: PositiveInt = 20_000
    """Sentences to train on."""
    valid: NonNegativeInt = 1_000
    """Sentences to validate on."""
    test: NonNegativeInt = 1_000
    """Sentences to test on."""
    seed: NonNegativeInt = 0
    """Seed from which the sentences are drawn."""

    def build(self, site: DataSite) -> RelationsData:
        from partwise_data.drawing import Sizes
        from partwise_data.relations import Relations as RelationsData

        return RelationsData(Sizes(self.size, self.valid, self.test), self.seed)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(size=200, valid=50, test=50)
        yield cls(size=300, valid=60, test=70, seed=1)
