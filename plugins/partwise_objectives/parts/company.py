"""Predicting words from the words around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Self

from annotated_types import Ge, Le
from pydantic import PositiveFloat

from partwise.parts import ObjectivePart, ObjectiveSite

if TYPE_CHECKING:
    from torch import Tensor

    from partwise_objectives.company import ContinuousBag, SkipGram

Window = Annotated[int, Ge(1), Le(100)]
Negatives = Annotated[int, Ge(1), Le(1000)]


class CompanyPart(ObjectivePart):
    """Base of the objectives of word vectors. Nothing can be written with what they train, and there are no bits per
    byte."""

    likelihood = False
    causal = False
    reads = frozenset({"sequence"})
    around = True

    window: Window = 5
    """Farthest distance of a word that another is predicted from; for each, a distance from 1 to this one is drawn."""
    negatives: Negatives | None = 5
    """Words drawn at random that the right one is told from; null: all others (a softmax, which takes longer)."""
    subsample: PositiveFloat | None = None
    """Share of the text above which a word is frequent: one of share f is kept with probability sqrt(subsample / f), at
    every place anew; null keeps all. The paper has 1e-5 for a thousand million words; a small text needs more."""

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(window=2, negatives=None, subsample=0.05), cls(window=1, negatives=2)

    @classmethod
    def sites(cls) -> Mapping[str, Any]:
        return {name: replace(site, counts=_counts) for name, site in super().sites().items()}


def _counts() -> Tensor:
    """For trying the parts: how often each word stands in some text."""
    import torch

    return torch.arange(13) + 20


class SkipGramPart(CompanyPart):
    """Each word is predicted from one near it (word2vec, Mikolov et al. 2013, arXiv:1310.4546).

    At every update one neighbour is drawn for each word, the nearer ones more often. The loss of training is that of
    negative sampling; evaluation has the cross-entropy of a softmax over all words, as for any model.
    """

    name = "skip_gram"
    formulas = (
        r"\mathcal{L} = -\log \sigma(u_w \cdot v_c) - \sum_{k=1}^{K} \log \sigma(-u_{n_k} \cdot v_c)",
        r"n_k \sim P_n",
    )

    def build(self, site: ObjectiveSite) -> SkipGram:
        from partwise_objectives.company import SkipGram

        return SkipGram(self.window, self.negatives, self.subsample, site.vocabulary, site.counts)


class ContinuousBagPart(CompanyPart):
    """Each word is predicted from the mean of those around it: CBOW (word2vec, Mikolov et al. 2013, arXiv:1301.3781).

    The loss of training is that of negative sampling; evaluation has the cross-entropy of a softmax over all words, as
    for any model.
    """

    name = "cbow"
    formulas = (
        r"\mathcal{L} = -\log \sigma(u_w \cdot \bar{v}) - \sum_{k=1}^{K} \log \sigma(-u_{n_k} \cdot \bar{v})",
        r"n_k \sim P_n",
        r"\bar{v} = \frac{1}{|c|} \sum_{j \in c} v_j",
    )

    def build(self, site: ObjectiveSite) -> ContinuousBag:
        from partwise_objectives.company import ContinuousBag

        return ContinuousBag(self.window, self.negatives, self.subsample, site.vocabulary, site.counts)
