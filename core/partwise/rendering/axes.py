"""Axes: round ticks, scales between values and places, labels that do not run into each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .numbers import MINUS, fixed
from .svg import Drawing


@dataclass(frozen=True)
class Scale:
    """Values between `low` and `high` at places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def near(self, value: float) -> float:
        """The place of the value or, beyond the ends, of the end."""
        return self(min(max(value, self.low), self.high))


def scale(values: Sequence[float], start: float, end: float, margin: float = 0.06) -> Scale:
    """A scale with room for all the values; a single value, or none, gets room around it."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    reach = high - low
    # So close together that they are one value.
    if reach <= 1e-9 * max(abs(low), abs(high)) or reach == 0:
        reach = abs(high) * 0.1 or 1.0
        low, high = low - reach / 2, high + reach / 2
    return Scale(low - margin * reach, high + margin * reach, start, end)


def logarithmic_scale(values: Sequence[float], start: float, end: float) -> Scale:
    """The same for values above zero, of which the ratios matter."""
    low, high = min(values), max(values)
    ratio = (high / low) ** 0.06 if high > low else 2.0
    return Scale(low / ratio, high * ratio, start, end, logarithmic=True)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two ends: multiples of 1, 2 or 5 times a power of ten."""
    step = round_step((high - low) / max(about, 1))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def round_step(step: float) -> float:
    """The one of 1, 2 and 5 times a power of ten that is nearest to the step, as a ratio."""
    power = 10.0 ** math.floor(math.log10(step))
    return min((factor * power for factor in (1, 2, 5, 10)), key=lambda near: abs(math.log(near / step)))


def round_powers(low: float, high: float) -> list[float]:
    """1, 3, 10, 30 ... between two ends above zero."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in (1, 3)]
    return [value for value in every if low <= value <= high]


def tick_labels(places: Sequence[float]) -> list[str]:
    """With as many decimals as the step between them needs; thousands as `10 k`."""
    if not places:
        return []
    step = places[1] - places[0] if len(places) > 1 else abs(places[0]) or 1.0
    largest = max(abs(place) for place in places)
    if largest >= 10_000 and step >= 100:
        return [f"{place / 1000:g} k".replace("-", MINUS) if place else "0" for place in places]
    if largest < 1e-5:
        return [f"{place:.1e}" for place in places]
    return [fixed(place, max(0, -math.floor(math.log10(step) + 1e-9))) for place in places]


def bottom_axis(drawing: Drawing, along: Scale, top: float, bottom: float, title: str, about: int = 6) -> None:
    """Ticks with their numbers below, faint lines up through the figure, and the title under them."""
    places = ticks(along.low, along.high, about)
    for place, label in zip(places, tick_labels(places), strict=True):
        drawing.line((along(place), top), (along(place), bottom), "grid")
        drawing.text((along(place), bottom + 14), label, "tick", "middle")
    drawing.line((along.start, bottom), (along.end, bottom), "axis")
    drawing.text(((along.start + along.end) / 2, bottom + 34), title, "axis-title", "middle")


def left_axis(drawing: Drawing, along: Scale, left: float, right: float, title: str, about: int = 5) -> None:
    """Ticks with their numbers at the left, faint lines across, and the title above them."""
    places = ticks(along.low, along.high, about)
    for place, label in zip(places, tick_labels(places), strict=True):
        drawing.line((left, along(place)), (right, along(place)), "grid")
        drawing.text((left - 7, along(place)), label, "tick", "end")
    drawing.line((left, along.start), (left, along.end), "axis")
    drawing.text((left - 40, min(along.start, along.end) - 16), title, "axis-title")


def reach_of(extents: Sequence[float], least: float = 0.0, most: float = 1 / 3) -> float:
    """How far a figure reaches: to the farthest extent, unless a few lie six times beyond all the others, or more.

    Those few, a share of `most` at most, are cut off, since on their scale nothing else could be told apart.
    """
    ordered = sorted(extents)
    for count in range(len(ordered) - int(len(ordered) * most + 1e-9), len(ordered)):
        kept = max(ordered[count - 1], least)
        if kept > 0 and ordered[count] >= 6 * kept:
            return kept
    return max([least, *ordered])


def within_reach(values: Sequence[float], origin: float) -> tuple[float, ...]:
    """The values but for those, half of them at most, that lie six times as far from `origin` as all the others."""
    reach = reach_of([abs(value - origin) for value in values], most=1 / 2)
    return tuple(value for value in values if abs(value - origin) <= reach * (1 + 1e-9))


__all__ = [
    "Scale", "bottom_axis", "left_axis", "logarithmic_scale", "reach_of", "round_powers", "round_step", "scale",
    "tick_labels", "ticks", "within_reach",
]  # fmt: skip
