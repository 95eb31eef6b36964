"""Scores: how well a query matches a key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import PositiveFloat, PositiveInt

from partwise import PartError
from partwise.parts import HeadSite, ScorePart

if TYPE_CHECKING:
    from partwise_attention.cope import ContextualScore
    from partwise_attention.fire import InterpolatedScore
    from partwise_attention.scores import AdditiveScore, DotScore
    from partwise_attention.xpos import DecayingScore


class Dot(ScorePart):
    """Dot product of query and key (Luong et al. 2015)."""

    name = "dot"
    formulas = (r"s(q, k) = q^\top k",)

    def build(self, site: HeadSite) -> DotScore:
        from partwise_attention.scores import DotScore

        return DotScore(site.factor)


class ScaledDot(ScorePart):
    """Dot product of query and key times a scale (Vaswani et al. 2017)."""

    name = "scaled_dot"
    formulas = (r"s(q, k) = \frac{q^\top k}{\sqrt{D}}",)

    scale: PositiveFloat | None = None
    """Factor of the dot product; null means 1 / sqrt(head width)."""

    def build(self, site: HeadSite) -> DotScore:
        from partwise_attention.scores import DotScore

        return DotScore((site.head_width**-0.5 if self.scale is None else self.scale) * site.factor)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(scale=0.3)


class Additive(ScorePart):
    """A small network of query and key, v . tanh(q + k) (Bahdanau et al. 2015)."""

    name = "additive"
    formulas = (r"s(q, k) = v^\top \tanh(q + k)",)

    def build(self, site: HeadSite) -> AdditiveScore:
        from partwise_attention.scores import AdditiveScore

        return AdditiveScore(site.heads, site.head_width, site.factor)


class Cope(ScorePart):
    """Scaled dot product plus a learned position that depends on what stands between (CoPE, Golovneva et al. 2024).

    For attention that looks back, in place of another position. arXiv:2405.18719.
    """

    name = "cope"
    formulas = (
        r"s_{ij} = \frac{q_i^\top k_j}{\sqrt{D}} + q_i^\top e[p_{ij}]",
        r"p_{ij} = \sum_{m=j}^{i} g_{im}, \quad g_{ij} = \sigma\left(\frac{q_i^\top k_j}{\sqrt{D}}\right)",
    )
    sees_order = True

    positions: PositiveInt = 64
    """Learned positions; what is further away, as the gates count, has the last of them."""
    scale: PositiveFloat | None = None
    """Factor of the dot product; null means 1 / sqrt(head width)."""

    def build(self, site: HeadSite) -> ContextualScore:
        from partwise_attention.cope import ContextualScore

        scale = (self.scale or site.head_width**-0.5) * site.factor
        return ContextualScore(site.head_width, self.positions, scale)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(positions=3, scale=0.3)


class Fire(ScorePart):
    """Scaled dot product plus a learned function of the distance, relative to how far one can look (Li et al. 2023).

    FIRE, arXiv:2310.04418: distances are interpolated to between 0 and 1, the more of them the longer the text, so that
    none is longer than those of training. For attention that looks back, in place of another position.
    """

    name = "fire"
    formulas = (
        r"s_{ij} = \frac{q_i^\top k_j}{\sqrt{D}} + f\left(\frac{\psi(i - j)}{\psi(\max(L, i))}\right)",
        r"\psi(x) = \log(c x + 1)",
    )
    sees_order = True

    hidden: PositiveInt = 32
    """Features in the hidden layer of the network that makes a bias of a distance."""
    threshold: PositiveFloat = 512.0
    """First value of the position, in tokens, up to which nothing is interpolated (L); learned."""
    scale: PositiveFloat | None = None
    """Factor of the dot product; null means 1 / sqrt(head width)."""

    def build(self, site: HeadSite) -> InterpolatedScore:
        from partwise_attention.fire import InterpolatedScore

        scale = (self.scale or site.head_width**-0.5) * site.factor
        return InterpolatedScore(site.heads, self.hidden, self.threshold, scale)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(hidden=5, threshold=4.0, scale=0.3)


class Xpos(ScorePart):
    """Scaled dot product that decays with distance, fastest where rotary positions turn fastest (Sun et al. 2022).

    With `rope` as the position (all features turning, in the same layout) this is xPos, arXiv:2212.10554. For attention
    that looks back.
    """

    name = "xpos"
    formulas = (
        r"s_{nm} = \frac{1}{\sqrt{D}} \sum_{i} (q_n \cdot k_m)_i\, \zeta_i^{(n - m) / b}",
        r"\zeta_i = \frac{2 i / D + \gamma}{1 + \gamma}, \quad \gamma = 0.4",
    )
    sees_order = True

    base: PositiveFloat = 512.0
    """Distance after which a pair has decayed by its full rate: the fastest to 0.29, the slowest hardly at all."""
    layout: Literal["half", "interleaved"] = "half"
    """Which features make a pair; the same as that of `rope`."""
    scale: PositiveFloat | None = None
    """Factor of the dot product; null means 1 / sqrt(head width)."""

    def build(self, site: HeadSite) -> DecayingScore:
        from partwise_attention.xpos import DecayingScore

        if site.head_width % 2:
            raise PartError(f"xpos takes features in pairs, and a head has {site.head_width}; make it an even number")
        return DecayingScore(self.base, (self.scale or site.head_width**-0.5) * site.factor, self.layout)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(base=8.0, layout="interleaved", scale=0.3)
