"""What the analysis finds over a ladder of sizes, as plain values that reports print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .findings import Contrast, Note

LadderVerdict = Literal["holds", "fades", "grows", "reverses", "equivalent", "inconclusive", "no verdict"]
"""`ladder_verdicts` defines them; `no verdict`: a size has none, or is not finished."""


@dataclass(frozen=True)
class Slope:
    """How a difference changes from one decade of training FLOPs to the next."""

    estimate: float
    low: float
    high: float
    p: float
    p_adjusted: float
    """Holm, over the study's one family of tests."""
    units: int
    """Seeds (or texts) that are done at every size: each gives one slope."""


@dataclass(frozen=True)
class SpeedUp:
    """How many times less compute the variant needs for the same figure: 2 is half the compute, 0.5 twice of it."""

    size: str
    """The size at which the worse of variant and baseline stands; the better one's curve is read at less compute."""
    factor: float | None
    """None: more than `most`, or less than `least`; `beyond` says which."""
    low: float | None
    """None: the interval goes on below `least`."""
    high: float | None
    """None: the interval goes on above `most`."""
    least: float
    """What can be read off this ladder at this size."""
    most: float
    beyond: Literal["more", "less"] | None = None


@dataclass(frozen=True)
class LadderFinding:
    """A variant against the baseline at every size."""

    variant: str
    factor: str | None
    level: str
    """See `Contrast`."""
    text: str | None
    """The text that it is about; None where there is one, or where it is about all of them."""
    contrasts: tuple[Contrast, ...]
    """At each size, from small to large."""
    compute: tuple[float, ...]
    """Training FLOPs of the baseline at each size."""
    verdict: LadderVerdict
    direction: Literal["better", "worse"] | None = None
    """Of what holds, fades or grows."""
    slope: Slope | None = None
    """In the metric's unit, whatever its goal; None with fewer than three units that are done at every size."""
    steep: bool = False
    """Whether the slope was found."""
    trend: Literal["grows", "shrinks"] | None = None
    """What the slope, if it was found, does to the difference that was found."""
    p_every: float | None = None
    """That the difference is there at every size (Holm over the variants)."""
    speed_ups: tuple[SpeedUp, ...] = ()
    """At each size but the smallest; empty where nothing can be read."""
    notes: tuple[Note, ...] = ()

    @property
    def speed_up(self) -> SpeedUp | None:
        """At the largest size."""
        return self.speed_ups[-1] if self.speed_ups else None


@dataclass(frozen=True)
class Point:
    """A variant at one size."""

    size: str
    compute: float
    """Training FLOPs of a run of this variant."""
    mean: float
    low: float | None
    """95 % t-interval over the seeds (or texts); None below two."""
    high: float | None
    residual: float | None
    """Above the curve that speed-ups are read off, drawn through the other sizes alone; None at the ends."""


@dataclass(frozen=True)
class Law:
    """floor + scale compute^-power, fitted to a curve's means: it describes, and nothing is claimed by it."""

    floor: float
    scale: float
    power: float
    residuals: tuple[float, ...]
    """Of the points."""

    def at(self, compute: float) -> float:
        """The figure that it gives."""
        return self.floor + self.scale * compute**-self.power


@dataclass(frozen=True)
class Curve:
    """A variant's figures against training FLOPs."""

    variant: str
    text: str | None
    points: tuple[Point, ...]
    law: Law | None = None
    """None with fewer than four sizes, and for figures that do not fall towards a floor."""


__all__ = ["Curve", "LadderFinding", "LadderVerdict", "Law", "Point", "Slope", "SpeedUp"]
