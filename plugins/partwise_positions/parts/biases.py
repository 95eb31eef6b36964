"""Positions that are a bias on attention's scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Self

from annotated_types import Ge
from pydantic import PositiveInt

from partwise import PartError
from partwise.parts import PositionPart, PositionSite

if TYPE_CHECKING:
    from partwise_positions.alibi import LinearBiases
    from partwise_positions.t5_bias import BucketBiases


class Alibi(PositionPart):
    """Scores fall linearly with distance, at a slope fixed per head (ALiBi, Press et al. 2022)."""

    name = "alibi"
    acts = frozenset({"bias"})

    def build(self, site: PositionSite) -> LinearBiases:
        from partwise_positions.alibi import LinearBiases

        return LinearBiases(site.heads)


class T5Bias(PositionPart):
    """A learned bias on scores, per head and bucket of distances (T5, Raffel et al. 2020)."""

    name = "t5_bias"
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
