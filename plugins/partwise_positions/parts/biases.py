"""Positions that are a bias on attention's scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, Self

from annotated_types import Ge
from pydantic import PositiveFloat, PositiveInt

from partwise import PartError
from partwise.parts import PositionPart, PositionSite

if TYPE_CHECKING:
    from partwise_positions.alibi import LinearBiases
    from partwise_positions.hard_alibi import HardLinearBiases
    from partwise_positions.kerple import KernelBiases
    from partwise_positions.t5_bias import BucketBiases


class Alibi(PositionPart):
    """Scores fall linearly with distance, at a slope fixed per head (ALiBi, Press et al. 2022)."""

    name = "alibi"
    formulas = (
        r"s'_{ij} = s_{ij} - m_h\, |i - j|",
        r"m_h = 2^{-8 h / H}, \quad h = 1, \ldots, H",
    )
    acts = frozenset({"bias"})

    factor: PositiveFloat = 1.0
    """What every slope is multiplied by; with 1 they are those of the paper, from 2^(-8/n) to 2^-8 for n heads."""

    def build(self, site: PositionSite) -> LinearBiases:
        from partwise_positions.alibi import LinearBiases

        return LinearBiases(site.heads, self.factor)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(factor=0.5)


class HardAlibi(PositionPart):
    """Some heads see the nearest tokens only, each another number; the others see all (Jelassi et al. 2024).

    Hard-ALiBi, arXiv:2402.01032: the first head sees its own token, the second one more, and so on. With it, models
    copied texts much longer than those that they had been trained on.
    """

    name = "hard_alibi"
    formulas = (r"s'_{ij} = \begin{cases} s_{ij} & |i - j| < h \text{ or } h > M \\ -\infty & \text{else} \end{cases}",)
    acts = frozenset({"bias"})

    masked_heads: PositiveInt | None = None
    """Heads that do not see all; null means half of them, rounded up."""

    def build(self, site: PositionSite) -> HardLinearBiases:
        from partwise_positions.hard_alibi import HardLinearBiases

        masked = self.masked_heads or (site.heads + 1) // 2
        if masked > site.heads:
            raise PartError(f"masked_heads {masked} is more than the {site.heads} heads there are")
        return HardLinearBiases(site.heads, masked)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(masked_heads=1)


class Kerple(PositionPart):
    """Scores fall with distance along a curve that each head learns (KERPLE, Chi et al. 2022).

    arXiv:2205.09921: conditionally positive definite kernels, in the logarithmic and in the power variant.
    """

    name = "kerple"
    formulas = (
        r"s'_{ij} = s_{ij} - p_h \log(1 + a_h |i - j|)",
        r"s'_{ij} = s_{ij} - a_h |i - j|^{p_h} \quad \text{(power)}",
    )
    acts = frozenset({"bias"})

    kernel: Literal["log", "power"] = "log"
    """log: -p log(1 + a d) for a distance d; power: -a d^p with p up to 2. Each head learns an a and a p."""

    def build(self, site: PositionSite) -> KernelBiases:
        from partwise_positions.kerple import KernelBiases

        return KernelBiases(site.heads, self.kernel)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(kernel="power")


class T5Bias(PositionPart):
    """A learned bias on scores, per head and bucket of distances (T5, Raffel et al. 2020)."""

    name = "t5_bias"
    formulas = (
        r"s'_{ij} = s_{ij} + b_{h, \beta(j - i)}",
        r"\beta(-d) = \begin{cases} d & d < B/2 \\ \frac{B}{2} + \left\lfloor \frac{\log(2 d / B)}{\log(2 "
        r"D / B)} \frac{B}{2} \right\rfloor & \text{else, at most } B - 1 \end{cases}",
    )
    acts = frozenset({"bias"})

    buckets: Annotated[int, Ge(2)] = 32
    """Number of buckets; attention that looks both ways uses half of them for each side."""
    max_distance: PositiveInt = 128
    """Distance in positions from which on all distances share the last bucket."""

    def build(self, site: PositionSite) -> BucketBiases:
        from partwise_positions.t5_bias import BucketBiases

        one_side = self.buckets if site.causal else self.buckets // 2
        if one_side < 2 or (self.buckets % 2 and not site.causal):
            raise PartError(f"buckets {self.buckets} cannot be shared by two sides; make it even, 4 or more")
        if self.max_distance <= one_side // 2:
            raise PartError(
                f"max_distance {self.max_distance} lies within the {one_side // 2} distances that have a bucket "
                f"each; make it larger, or buckets ({self.buckets}) fewer"
            )
        return BucketBiases(site.heads, self.buckets, self.max_distance, not site.causal, std=site.width**-0.5)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(buckets=8, max_distance=12)
