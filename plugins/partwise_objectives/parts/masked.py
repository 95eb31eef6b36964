"""Predicting tokens that are hidden, from both sides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from partwise.parts import ObjectivePart, ObjectiveSite

if TYPE_CHECKING:
    from partwise_objectives.masked import MaskedObjective

Share = Annotated[float, Field(ge=0, le=1)]


class Masked(ObjectivePart):
    """Hidden tokens are predicted from what stands on both sides (BERT, Devlin et al. 2019, arXiv:1810.04805).

    They are drawn anew at every update (RoBERTa, Liu et al. 2019, arXiv:1907.11692), and fixed in evaluation.
    """

    name = "masked"
    likelihood = False
    causal = False
    reads = frozenset({"sequence"})

    rate: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of the tokens that are predicted."""
    random: Share = 0.1
    """Share of these that a random token stands for, instead of the mask."""
    kept: Share = 0.1
    """Share of these that are left as they are."""

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.random + self.kept > 1:
            raise ValueError(
                f"random {self.random:g} and kept {self.kept:g} are shares of the same tokens; together at most 1"
            )
        return self

    def reserves(self) -> tuple[str, ...]:
        return ("<|mask|>",)

    def build(self, site: ObjectiveSite) -> MaskedObjective:
        from partwise_objectives.masked import MaskedObjective

        (mask,) = site.reserved
        return MaskedObjective(mask, self.rate, self.random, self.kept)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(rate=0.4, random=0.2, kept=0.3)
