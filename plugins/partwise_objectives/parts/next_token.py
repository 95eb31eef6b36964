"""Predicting the next token: the objective of language models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, NonNegativeFloat

from partwise.parts import ObjectivePart, ObjectiveSite

if TYPE_CHECKING:
    from partwise.modules import NextToken

Share = Annotated[float, Field(ge=0, lt=1)]


class NextTokenPart(ObjectivePart):
    """Every position predicts the token that follows (Shannon 1951; Bengio et al. 2003)."""

    name = "next_token"
    formulas = (r"\mathcal{L} = -\frac{1}{T} \sum_{t=1}^{T} \log P(w_{t+1} \mid w_1, \ldots, w_t)",)

    label_smoothing: Share = 0.0
    """Share of each target that is spread evenly over the vocabulary, in training (Szegedy et al. 2016, section 7)."""
    z_loss: NonNegativeFloat = 0.0
    """Weight of the squared log of the softmax's partition function, which it keeps near 1, in training (Chowdhery
    et al. 2022, PaLM, section 5: 1e-4)."""

    def build(self, site: ObjectiveSite) -> NextToken:
        from partwise.modules import NextToken

        return NextToken(self.label_smoothing, self.z_loss)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(label_smoothing=0.1, z_loss=0.01)
