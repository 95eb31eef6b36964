"""What every row is: a function that measures both sides in turn, so many rounds."""

from __future__ import annotations

from collections.abc import Callable

Pair = tuple[float, float]
"""Units per second of partwise, and of the peer."""

Measure = Callable[[int], list[Pair]]
"""So many rounds, each measured after whatever warming up it takes."""


def one_by_one(measure: Callable[[], Pair]) -> Measure:
    """Rounds that have nothing in common but what `measure` keeps; the first, for warming up, is not counted."""
    return lambda rounds: [measure() for _ in range(rounds + 1)][1:]
