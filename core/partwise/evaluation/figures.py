"""`Figure`: one number that an evaluation gives, of how many items it is, and how uncertain that leaves it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Goal = Literal["min", "max"]
"""Whether less or more of a figure is better."""


@dataclass(frozen=True)
class Figure:
    """A number of an evaluation."""

    value: float
    count: int
    """Items that it is of: questions, documents, windows."""
    error: float | None = None
    """Its standard error, had other items of the same kind been drawn; None if one item does not tell."""


def mean(values: Sequence[float]) -> Figure:
    """The mean of one value per item; its standard error is s / sqrt(n), with s the sample's standard deviation.

    Raises:
        ValueError: there is no item.
    """
    n = len(values)
    if not n:
        raise ValueError("a mean needs an item")
    value = math.fsum(values) / n
    squares = math.fsum((one - value) ** 2 for one in values)
    return Figure(value, n, math.sqrt(squares / (n - 1) / n) if n > 1 else None)


def ratio(parts: Sequence[float], sizes: Sequence[float]) -> Figure:
    """The sum of the parts over that of the sizes, one pair per item: bits per byte of documents, say.

    Its standard error is by linearisation (Cochran 1977, Sampling Techniques, 3rd edition, equation 6.13):
    sqrt(n / (n - 1) * sum((part - ratio * size)^2)) / sum(sizes).

    Raises:
        ValueError: there is no item, or all are of size zero.
    """
    n, size = len(parts), math.fsum(sizes)
    if n != len(sizes) or not size:
        raise ValueError("a ratio needs a part and a size for each item, and an item that is not empty")
    value = math.fsum(parts) / size
    squares = math.fsum((one - value * other) ** 2 for one, other in zip(parts, sizes, strict=True))
    return Figure(value, n, math.sqrt(squares * n / (n - 1)) / size if n > 1 else None)


__all__ = ["Figure", "Goal", "mean", "ratio"]
