"""Positions that are added to the embedding, and none at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from pydantic import PositiveFloat

from partwise.parts import PositionPart, PositionSite

if TYPE_CHECKING:
    from partwise_positions.encoder import Encoder
    from partwise_positions.learned import LearnedPositions
    from partwise_positions.sinusoidal import SinusoidalPositions


class NoPosition(PositionPart):
    """No positions: only causality or a recurrence gives the order away (Kazemnejad et al. 2023)."""

    name = "none"

    def build(self, site: PositionSite) -> Encoder:
        from partwise_positions.encoder import Encoder

        return Encoder()


class Learned(PositionPart):
    """A learned vector per position up to the context, added to the embedding (Gehring et al. 2017; GPT-2)."""

    name = "learned"
    acts = frozenset({"embed"})

    def build(self, site: PositionSite) -> LearnedPositions:
        from partwise_positions.learned import LearnedPositions

        return LearnedPositions(site.context, site.width)


class Sinusoidal(PositionPart):
    """Sines and cosines of geometrically spaced wavelengths, added to the embedding (Vaswani et al. 2017)."""

    name = "sinusoidal"
    acts = frozenset({"embed"})

    base: PositiveFloat = 10_000.0
    """Pair i of n has base^(-i/n) radians per position: wavelengths rise from 2 pi towards 2 pi base."""

    def build(self, site: PositionSite) -> SinusoidalPositions:
        from partwise_positions.sinusoidal import SinusoidalPositions

        return SinusoidalPositions(site.width, self.base)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(base=100.0)
