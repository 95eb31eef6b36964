"""Predicting tokens that are hidden, from both sides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, NonNegativeInt, model_validator

from partwise import PartError
from partwise.parts import ObjectivePart, ObjectiveSite

if TYPE_CHECKING:
    from partwise_objectives.masked import MaskedObjective

Share = Annotated[float, Field(ge=0, le=1)]


class Masked(ObjectivePart):
    """Hidden tokens are predicted from what stands on both sides (BERT, Devlin et al. 2019, arXiv:1810.04805).

    They are drawn anew at every update (RoBERTa, Liu et al. 2019, arXiv:1907.11692), and fixed in evaluation.
    """

    name = "masked"
    formulas = (r"\mathcal{L} = -\frac{1}{|M|} \sum_{t \in M} \log P(w_t \mid \tilde{w}_1, \ldots, \tilde{w}_T)",)
    likelihood = False
    causal = False
    reads = frozenset({"sequence"})

    rate: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of the tokens that are predicted."""
    random: Share = 0.1
    """Share of these that a random token stands for, instead of the mask."""
    kept: Share = 0.1
    """Share of these that are left as they are."""
    mask: NonNegativeInt | None = None
    """Id of the mask, if the tokenizer has one ([MASK] of BERT: 103); null adds one to the vocabulary."""

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.random + self.kept > 1:
            raise ValueError(
                f"random {self.random:g} and kept {self.kept:g} are shares of the same tokens; together at most 1"
            )
        return self

    def reserves(self) -> tuple[str, ...]:
        return ("<|mask|>",) if self.mask is None else ()

    def build(self, site: ObjectiveSite) -> MaskedObjective:
        from partwise_objectives.masked import MaskedObjective

        if self.mask is None:
            (mask,) = site.reserved
            return MaskedObjective(mask, mask, self.rate, self.random, self.kept)
        if self.mask >= site.vocabulary:
            raise PartError(
                f"mask {self.mask} is no id of the vocabulary, which has {site.vocabulary}; give one below, or null, "
                "which adds a mask to it",
                ("mask",),
            )
        return MaskedObjective(self.mask, site.vocabulary, self.rate, self.random, self.kept)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(rate=0.4, random=0.2, kept=0.3), cls(mask=3)
