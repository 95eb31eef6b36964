"""Embeddings: token ids as vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import PositiveInt

from partwise.parts import EmbeddingPart, EmbeddingSite

if TYPE_CHECKING:
    from partwise_models.embeddings import DenseEmbedding, OneHotEmbedding


class Dense(EmbeddingPart):
    """A learned vector per token (Bengio et al. 2003)."""

    name = "dense"

    width: PositiveInt | None = None
    """Features per token; null means the model's width. Another number is projected to the width
    (Lan et al. 2020)."""

    def build(self, site: EmbeddingSite) -> DenseEmbedding:
        from partwise_models.embeddings import DenseEmbedding

        return DenseEmbedding(site.vocabulary, self.width or site.width)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(width=6)


class OneHot(EmbeddingPart):
    """The indicator vector of each token, 1 at its id and 0 elsewhere; a linear projection to the width follows."""

    name = "one_hot"

    def build(self, site: EmbeddingSite) -> OneHotEmbedding:
        from partwise_models.embeddings import OneHotEmbedding

        return OneHotEmbedding(site.vocabulary)
