"""Positions that are added to the embedding, and none at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

from pydantic import NonNegativeInt, PositiveFloat

from partwise.parts import PositionPart, PositionSite

if TYPE_CHECKING:
    from partwise_positions.encoder import Encoder
    from partwise_positions.learned import LearnedPositions
    from partwise_positions.sinusoidal import SinusoidalPositions


class NoPosition(PositionPart):
    """No positions: only causality or a recurrence gives the order away (Kazemnejad et al. 2023)."""

    name = "none"
    formulas = (r"x'_p = x_p",)

    def build(self, site: PositionSite) -> Encoder:
        from partwise_positions.encoder import Encoder

        return Encoder()


class Learned(PositionPart):
    """A learned vector per position up to the context, added to the embedding (Gehring et al. 2017; GPT-2)."""

    name = "learned"
    formulas = (r"x'_p = x_p + E_p",)
    acts = frozenset({"embed"})

    offset: NonNegativeInt = 0
    """Rows of the table before that of the first position, which nothing reads (2 in OPT, BART and RoBERTa)."""

    def build(self, site: PositionSite) -> LearnedPositions:
        from partwise_positions.learned import LearnedPositions

        return LearnedPositions(site.context, site.width, self.offset)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(offset=2)


class Sinusoidal(PositionPart):
    """Sines and cosines of geometrically spaced wavelengths, added to the embedding (Vaswani et al. 2017)."""

    name = "sinusoidal"
    formulas = (
        r"x'_{p, 2i} = x_{p, 2i} + \sin(p\, b^{-2 i / C})",
        r"x'_{p, 2i+1} = x_{p, 2i+1} + \cos(p\, b^{-2 i / C})",
    )
    acts = frozenset({"embed"})

    base: PositiveFloat = 10_000.0
    """Pair i of n has base^(-i/n) radians per position: wavelengths rise from 2 pi towards 2 pi base."""
    layout: Literal["interleaved", "half"] = "interleaved"
    """Where the features of a pair are: interleaved has sine and cosine side by side, as in the paper; half has all
    sines before all cosines (Marian, M2M100)."""
    offset: NonNegativeInt = 0
    """Number of the first position (M2M100: 2)."""
    inclusive: bool = False
    """Have pair i of n turn by base^(-i/(n-1)), so that the longest wavelength is 2 pi base (tensor2tensor, M2M100)."""

    def build(self, site: PositionSite) -> SinusoidalPositions:
        from partwise_positions.sinusoidal import SinusoidalPositions

        return SinusoidalPositions(site.width, self.base, self.layout, self.offset, self.inclusive)

    @classmethod
    def examples(cls) -> Iterable[Self]:
        return cls(), cls(base=100.0), cls(layout="half", offset=2, inclusive=True)
