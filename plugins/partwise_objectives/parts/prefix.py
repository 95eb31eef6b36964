"""Predicting the rest of a text whose beginning is only read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field

from partwise.parts import ObjectivePart, ObjectiveSite

if TYPE_CHECKING:
    from partwise_objectives.prefix import PrefixObjective


class Prefix(ObjectivePart):
    """A prefix of each row is read, and only the tokens after it are scored (Liu et al. 2018; Raffel et al. 2020)."""

    name = "prefix"
    formulas = (r"\mathcal{L} = -\frac{1}{T - p} \sum_{t=p}^{T-1} \log P(w_{t+1} \mid w_1, \ldots, w_t)",)
    likelihood = False

    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the row that is prefix; null draws it anew for every row, from nothing to all but the last token."""

    def build(self, site: ObjectiveSite) -> PrefixObjective:
        from partwise_objectives.prefix import PrefixObjective

        return PrefixObjective(self.share)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(share=0.5)
