"""Scores: how well a query matches a key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import PositiveFloat

from partwise.parts import HeadSite, ScorePart

if TYPE_CHECKING:
    from partwise_attention.scores import AdditiveScore, DotScore


class Dot(ScorePart):
    """Dot product of query and key (Luong et al. 2015)."""

    name = "dot"

    def build(self, site: HeadSite) -> DotScore:
        from partwise_attention.scores import DotScore

        return DotScore(1.0)


class ScaledDot(ScorePart):
    """Dot product of query and key times a scale (Vaswani et al. 2017)."""

    name = "scaled_dot"

    scale: PositiveFloat | None = None
    """Factor of the dot product; null means 1 / sqrt(head width)."""

    def build(self, site: HeadSite) -> DotScore:
        from partwise_attention.scores import DotScore

        return DotScore(site.head_width**-0.5 if self.scale is None else self.scale)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(scale=0.3)


class Additive(ScorePart):
    """A small network of query and key, v . tanh(q + k) (Bahdanau et al. 2015)."""

    name = "additive"

    def build(self, site: HeadSite) -> AdditiveScore:
        from partwise_attention.scores import AdditiveScore

        return AdditiveScore(site.heads, site.head_width)
