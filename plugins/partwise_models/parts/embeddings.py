"""Embeddings: token ids as vectors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import PositiveInt

from partwise.parts import EmbeddingPart, EmbeddingSite

if TYPE_CHECKING:
    from partwise_models.embeddings import DenseEmbedding, OneHotEmbedding, SegmentedEmbedding


class Dense(EmbeddingPart):
    """A learned vector per token (Bengio et al. 2003)."""

    name = "dense"
    formulas = (r"x_t = E_{w_t}",)

    width: PositiveInt | None = None
    """Features per token; null means the model's width. Another number is projected to the width
    (Lan et al. 2020)."""

    def build(self, site: EmbeddingSite) -> DenseEmbedding:
        from partwise_models.embeddings import DenseEmbedding

        return DenseEmbedding(site.vocabulary, self.width or site.width)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(width=6)


class Segmented(EmbeddingPart):
    """A learned vector per token plus one for the segment it is in (BERT, Devlin et al. 2019, arXiv:1810.04805).

    Texts here are one segment, the first; the vectors of others are kept for checkpoints that have them.
    """

    name = "segmented"
    formulas = (r"x_t = E_{w_t} + S_{s_t}",)

    segments: PositiveInt = 2
    """Segments that have a vector."""

    def build(self, site: EmbeddingSite) -> SegmentedEmbedding:
        from partwise_models.embeddings import SegmentedEmbedding

        return SegmentedEmbedding(site.vocabulary, site.width, self.segments)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(segments=1)


class OneHot(EmbeddingPart):
    """The indicator vector of each token, 1 at its id and 0 elsewhere; a linear projection to the width follows."""

    name = "one_hot"
    formulas = (r"x_t = W e_{w_t}, \quad (e_{w})_i = \begin{cases} 1 & i = w \\ 0 & i \ne w \end{cases}",)

    def build(self, site: EmbeddingSite) -> OneHotEmbedding:
        from partwise_models.embeddings import OneHotEmbedding

        return OneHotEmbedding(site.vocabulary)
