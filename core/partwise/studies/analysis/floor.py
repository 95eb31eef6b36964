"""Whether models have learned anything that the frequencies of tokens do not tell."""

from __future__ import annotations

from partwise.studies.results import Metric


def left_floor(value: float, floor: float | None, metric: Metric) -> bool:
    """Whether a figure is better than the floor by the smallest effect (by anything, where none is declared).

    True where no floor is known.
    """
    if floor is None:
        return True
    gain = value - floor if metric.name == "accuracy" else floor - value
    return gain > 0 and gain >= (metric.smallest_effect or 0.0)


__all__ = ["left_floor"]
