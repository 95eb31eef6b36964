"""The ladder: attention from its first lesson, one idea per rung, each a working mixer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import PositiveInt

from partwise import PartError
from partwise.parts import AttentionPart, LayerSite

from .heads import Probability, equal_heads

if TYPE_CHECKING:
    from partwise_attention.ladder import HeadWrapper, LinearHead, RawHead, SimpleAttention


def _refuse_memory(part: AttentionPart, site: LayerSite) -> None:
    if site.reads_memory:
        raise PartError(f"{part.name} cannot attend to an encoder's states; use multi_head")


class Simple(AttentionPart):
    """Self-attention without weights, softmax(X X^T) X: the first rung of the ladder to Vaswani et al. 2017."""

    name = "simple"
    formulas = (r"Y = \operatorname{softmax}(X X^\top)\, X",)

    def build(self, site: LayerSite) -> SimpleAttention:
        from partwise_attention.ladder import SimpleAttention

        _refuse_memory(self, site)
        return SimpleAttention(site.width, site.causal, site.score_factor)


class Raw(AttentionPart):
    """One head whose three matrices are bare parameters: the second rung of the ladder to Vaswani et al. 2017."""

    name = "raw_head"
    formulas = (r"Y = \operatorname{softmax}\left(\frac{X W_q (X W_k)^\top}{\sqrt{D}}\right) X W_v",)

    def build(self, site: LayerSite) -> RawHead:
        from partwise_attention.ladder import RawHead

        _refuse_memory(self, site)
        return RawHead(site.width, site.width, site.causal, site.score_factor)


class Linear(AttentionPart):
    """One head with linear layers for its matrices: the third rung of the ladder to Vaswani et al. 2017."""

    name = "linear_head"
    formulas = (
        r"Q = X W_q^\top, \quad K = X W_k^\top, \quad V = X W_v^\top",
        r"Y = \operatorname{softmax}\left(\frac{Q K^\top}{\sqrt{D}}\right) V",
    )

    bias: bool = False
    """Whether the three linear layers have a bias."""

    def build(self, site: LayerSite) -> LinearHead:
        from partwise_attention.ladder import LinearHead

        _refuse_memory(self, site)
        return LinearHead(site.width, site.width, site.causal, self.bias, factor=site.score_factor)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(bias=True)


class Causal(AttentionPart):
    """One head that looks back only, with dropout on its weights: the ladder's fourth rung (Vaswani et al. 2017)."""

    name = "causal_head"
    formulas = (
        r"Y = \operatorname{softmax}\left(\frac{Q K^\top}{\sqrt{D}} + M\right) V",
        r"M_{ij} = \begin{cases} 0 & j \le i \\ -\infty & j > i \end{cases}",
    )

    bias: bool = False
    """Whether the three linear layers have a bias."""
    dropout: Probability = 0.0
    """Probability that an attention weight is dropped in training."""

    def build(self, site: LayerSite) -> LinearHead:
        from partwise_attention.ladder import LinearHead

        _refuse_memory(self, site)
        return LinearHead(site.width, site.width, True, self.bias, self.dropout, site.score_factor)

    def sees_order(self) -> bool:
        return True  # it looks back only, even in an encoder

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(bias=True, dropout=0.2)


class Wrapper(AttentionPart):
    """Several causal heads side by side, the fifth rung: the function of `multi_head` (Vaswani et al. 2017)."""

    name = "head_wrapper"
    formulas = (
        r"Y = [\operatorname{head}_1(X), \ldots, \operatorname{head}_H(X)]\, W_o",
        r"\operatorname{head}_h(X) = \operatorname{softmax}\left(\frac{Q_h K_h^\top}{\sqrt{D}} + M\right) V_h",
    )

    heads: PositiveInt
    """Number of heads, a divisor of the width."""
    bias: bool = False
    """Whether the heads' linear layers have a bias."""
    dropout: Probability = 0.0
    """Probability that an attention weight is dropped in training."""

    def build(self, site: LayerSite) -> HeadWrapper:
        from partwise_attention.ladder import HeadWrapper, LinearHead

        _refuse_memory(self, site)
        width = equal_heads(site.width, self.heads)
        heads = [
            LinearHead(site.width, width, True, self.bias, self.dropout, site.score_factor) for _ in range(self.heads)
        ]
        return HeadWrapper(heads, site.width)

    def sees_order(self) -> bool:
        return True  # it looks back only, even in an encoder

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(heads=2), cls(heads=4, bias=True, dropout=0.2)
