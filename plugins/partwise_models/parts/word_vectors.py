"""Vectors of words, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from pydantic import NonNegativeFloat, PositiveInt

from partwise.parts import ModelPart, ModelSite

if TYPE_CHECKING:
    from torch import Tensor

    from partwise_models.word_vectors import WordVectors


class WordVectorsPart(ModelPart):
    """Two vectors for each word, one to predict others with and one to be predicted (Mikolov et al. 2013).

    With the objectives "skip_gram" and "cbow" a word is predicted from those around it; with "next_token", from the one
    before it: a bigram model.
    """

    name = "word_vectors"
    formulas = (
        r"P(w \mid c) = \frac{\exp(u_w \cdot \bar{v} + b_w)}{\sum_{w'} \exp(u_{w'} \cdot \bar{v} + b_{w'})}",
        r"\bar{v} = \frac{1}{|c|}\sum_{j \in c} v_j",
    )
    reads = "sequence"
    known_failures = MappingProxyType(
        {"it_can_learn_a_batch_by_heart": "it sees one word, after which several others may follow"}
    )

    width: PositiveInt
    """Features of a vector, C."""
    context: PositiveInt = 256
    """Length of the pieces of text that are read at once, in tokens; windows of words lie within a piece."""
    power: NonNegativeFloat = 0.75
    """Negatives are drawn in proportion to the frequency of words to this power (Mikolov et al. 2013). The log of this
    distribution is added to the logits, to make them those of a softmax: the vectors learn what differs from it."""

    def build(self, site: ModelSite) -> WordVectors:
        from partwise_models.word_vectors import WordVectors

        return WordVectors(site.vocabulary, self.width, self.context, self.power, site.counts)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(width=8), cls(width=6, context=16, power=0.5)

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {name: replace(site, counts=_counts) for name, site in super().sites().items()}


def _counts() -> Tensor:
    """For trying the part: how often each word stands in some text."""
    import torch

    return torch.arange(13) + 20
