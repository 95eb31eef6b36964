"""The mathematics of paired differences, over arrays: one study, or many thousands of simulated ones at once.

All functions take differences of shape (..., n), n seeds on the last axis, and are exactly what `analyse` uses;
the tests simulate coverage and error rates through them.

Student (1908) for the interval, Holm (1979) for many comparisons, Schuirmann (1987) for equivalence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEWEST_PAIRS = 3
"""Below this no verdict is given: an interval from two seeds is wider than anything it could say."""


@dataclass(frozen=True)
class Paired:
    """Mean difference, its t-interval and the two-sided p, each of shape (...)."""

    mean: Array
    low: Array
    high: Array
    p: Array


def standard_error(differences: Array) -> Array:
    """Of the mean, (...); exactly zero where all differences are equal, whatever rounding made of them."""
    n = differences.shape[-1]
    error = np.std(differences, axis=-1, ddof=1) / np.sqrt(n)
    largest = np.max(np.abs(differences), axis=-1)
    return np.where(np.ptp(differences, axis=-1) <= 1e-12 * largest, 0.0, error)


def paired_t(differences: Array, alpha: float) -> Paired:
    """Mean, (1 - alpha) t-interval and two-sided p against zero; n at least 2.

    Without any spread the mean stands for itself: the interval has no width, and p is 0, or 1 if the mean is 0.
    """
    from scipy.special import stdtr, stdtrit

    n = differences.shape[-1]
    mean, error = differences.mean(axis=-1), standard_error(differences)
    half = stdtrit(n - 1, 1 - alpha / 2) * error
    return Paired(mean, mean - half, mean + half, 2 * stdtr(n - 1, -np.abs(_ratio(mean, error))))


def equivalence_p(differences: Array, margin: float) -> Array:
    """p of two one-sided t-tests: small when the mean difference lies within (-margin, margin)."""
    from scipy.special import stdtr

    n = differences.shape[-1]
    mean, error = differences.mean(axis=-1), standard_error(differences)
    return stdtr(n - 1, -_ratio(margin - np.abs(mean), error))


def _ratio(value: Array, error: Array) -> Array:
    """value / error, with 0 / 0 = 0 and infinities where only the error vanishes."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((error == 0) & (value == 0), 0.0, value / error)


def holm(p: Array) -> Array:
    """Adjusted p of the contrasts on the last axis; holds the family-wise error whatever their dependence."""
    contrasts = p.shape[-1]
    order = np.argsort(p, axis=-1)
    scaled = np.take_along_axis(p, order, axis=-1) * np.arange(contrasts, 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(scaled, axis=-1), 1.0)
    return np.take_along_axis(adjusted, np.argsort(order, axis=-1), axis=-1)


__all__ = ["FEWEST_PAIRS", "Array", "Paired", "equivalence_p", "holm", "paired_t", "standard_error"]
