"""How much less compute reaches the same figure: the distance between two curves of loss against compute.

At one size of a ladder the worse of two variants has a loss that the better one's curve passes at less compute; the
ratio of the two is the effective speed-up. Curves are read only between sizes, towards the smaller ones, so that
nothing outside the ladder is claimed; where the better one's smallest size still does better, the speed-up is only
known to be more than the ladder spans.

Between sizes a curve is that of log loss against log compute: in each interval the mean of the parabolas through it and
one more size on either side. Straight lines (of the loss, or of its log) are off by more than the interval where sizes
are a decade of compute apart and seeds agree well; a power law with a floor is hardly identified by so few sizes.

The interval inverts a t-test (Fieller 1954, with a curve in place of a line). At any given speed-up the difference
between the two log losses that would then be equal is a fixed weighted sum of a seed's log losses: a paired t-test over
the seeds, whatever the losses scatter at each size. The interval is what that test does not reject, and so it covers
1 - alpha at any number of seeds. `docs/studies-statistics.md` has what other curves and intervals cover.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .statistics import Array

Curve = Callable[[Array, Array], Array]
"""As `curve_weights`."""
STEPS = 8
"""Straight pieces that stand for the curve between two sizes; their error is a 64th of what one piece would make."""


@dataclass(frozen=True)
class Shift:
    """log10 of a speed-up, each of shape (...)."""

    estimate: Array
    """Of the mean curves; infinite (of either sign) where the better curve's smallest size does better still."""
    low: Array
    """Infinite where the interval goes on beyond the ladder."""
    high: Array
    least: float
    """What the ladder spans at this size: no smaller and no larger shift can be read off it."""
    most: float


def shift_at(base: Array, variant: Array, base_compute: Array, variant_compute: Array, at: int, alpha: float) -> Shift:
    """The variant's shift at one size, positive where it needs less compute.

    Args:
        base, variant: log losses (less is better) of shape (..., sizes, n), paired by seed; n at least 2.
        base_compute, variant_compute: log10, of shape (sizes,), rising.
        at: index of the size, at least 1: of the smallest there is nothing to read.
    """
    apart, shift, middle = path(base, variant, base_compute, variant_compute, at)
    estimate = crossing(apart.mean(axis=-1), shift, middle)
    low, high = not_rejected(apart, shift, alpha, estimate)
    return Shift(estimate, low, high, float(shift[0]), float(shift[-1]))


def path(
    base: Array, variant: Array, base_compute: Array, variant_compute: Array, at: int, curve: Curve | None = None
) -> tuple[Array, Array, int]:
    """Differences (..., nodes, n) between the losses that a shift would make equal, the shifts, and the node of none.

    From the baseline's smallest size, along its curve, to where both stand, and back along the variant's curve.
    """
    (there, one), (here, other) = (
        _fine(losses, compute, at, curve) for losses, compute in ((base, base_compute), (variant, variant_compute))
    )
    apart = np.concatenate([one - other[..., -1:, :], (one[..., -1:, :] - other[..., ::-1, :])[..., 1:, :]], axis=-2)
    return apart, np.concatenate([there - here[-1], (there[-1] - here[::-1])[1:]]), there.size - 1


def _fine(losses: Array, compute: Array, at: int, curve: Curve | None) -> tuple[Array, Array]:
    """Of a curve from its smallest size to the one at `at`: points of log compute, and its losses there, by seed."""
    points = _points(compute)
    weights = _weights(tuple(compute.tolist())) if curve is None else curve(compute, points)
    until = at * STEPS + 1
    return points[:until], np.einsum("pk,...kn->...pn", weights[:until], losses)


def _points(compute: Array) -> Array:
    """Along all sizes, these among them."""
    between = compute[:-1, None] + np.diff(compute)[:, None] * np.arange(STEPS) / STEPS
    return np.append(between.ravel(), compute[-1])


@lru_cache(maxsize=4096)
def _weights(compute: tuple[float, ...]) -> Array:
    """Of `curve_weights`: a variant has one compute for all its metrics and texts."""
    sizes = np.array(compute)
    return curve_weights(sizes, _points(sizes))


def curve_weights(compute: Array, points: Array) -> Array:
    """(points, sizes): how much each size's loss counts at each of some points within the ladder."""
    sizes = compute.size
    weights = np.zeros((points.size, sizes))
    for row, point in zip(weights, points, strict=True):
        left = min(max(int(np.searchsorted(compute, point, side="right")) - 1, 0), sizes - 2)
        through = [range(first, first + 3) for first in (left - 1, left) if first >= 0 and first + 3 <= sizes]
        for some in through or [range(2)]:
            for i in some:
                others = [j for j in some if j != i]
                row[i] += np.prod([(point - compute[j]) / (compute[i] - compute[j]) for j in others])
        row /= len(through or [0])
    return weights


def crossing(apart: Array, shift: Array, middle: int) -> Array:
    """Where (..., nodes) passes zero: from the middle on, to the right if it is positive there, else to the left."""
    ahead = apart[..., middle] > 0
    right = _first_not_positive(apart[..., middle:], shift[middle:])
    left = _first_not_positive(-apart[..., middle::-1], -shift[middle::-1])
    return np.where(ahead, right, -left)


def _first_not_positive(values: Array, shift: Array) -> Array:
    """Where a broken line that starts anywhere first comes to zero from above; infinite where it never does."""
    reached = values <= 0
    end = np.argmax(reached, axis=-1)
    start = np.maximum(end - 1, 0)
    above = np.take_along_axis(values, start[..., None], axis=-1)[..., 0]
    below = np.take_along_axis(values, end[..., None], axis=-1)[..., 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(end == start, 0.0, above / (above - below))
    there = shift[start] + share * (shift[end] - shift[start])
    return np.where(reached.any(axis=-1), there, np.inf)


def not_rejected(apart: Array, shift: Array, alpha: float, estimate: Array) -> tuple[Array, Array]:
    """Ends of the shifts around the estimate at which a t-test over the seeds does not tell (..., nodes, n) from zero.

    Between two nodes a seed's difference is a + u b, so that the test is a quadratic in u: n mean^2 <= t^2 variance.
    """
    from scipy.special import stdtrit

    n = apart.shape[-1]
    critical = stdtrit(n - 1, 1 - alpha / 2) ** 2
    a, b = apart[..., :-1, :], np.diff(apart, axis=-2)
    square = n * b.mean(-1) ** 2 - critical * b.var(-1, ddof=1)
    mixed = n * a.mean(-1) * b.mean(-1) - critical * _covariance(a, b)
    constant = n * apart.mean(-1) ** 2 - critical * apart.var(-1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = -(mixed + np.copysign(np.sqrt(mixed**2 - square * constant[..., :-1]), mixed))
        shares = (q / square, constant[..., :-1] / q)
        ends = [np.where((u >= 0) & (u <= 1), shift[:-1] + u * np.diff(shift), np.nan) for u in shares]
    edges = np.concatenate(ends, axis=-1)
    low = np.where(edges <= estimate[..., None], edges, -np.inf).max(axis=-1)
    high = np.where(edges >= estimate[..., None], edges, np.inf).min(axis=-1)
    low = np.where((estimate == np.inf) & (constant[..., -1] > 0), shift[-1], low)
    high = np.where((estimate == -np.inf) & (constant[..., 0] > 0), shift[0], high)
    return low, high


def _covariance(a: Array, b: Array) -> Array:
    n = a.shape[-1]
    return ((a - a.mean(-1, keepdims=True)) * (b - b.mean(-1, keepdims=True))).sum(-1) / (n - 1)


__all__ = ["Shift", "crossing", "curve_weights", "not_rejected", "path", "shift_at"]
