"""The statistics behind a verdict, over arrays: of one study, or of many thousands of simulated ones at once.

Differences have the shape (..., n), n seeds on the last axis. These functions are exactly what `analyse` uses; the
tests simulate coverage and error rates through them.

Student (1908) for the interval, Holm (1979) for many comparisons, Schuirmann (1987) for equivalence, Fisher (1922) for
the numbers of diverged runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from partwise.studies.results import Correction

Array = npt.NDArray[Any]


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


def widened(differences: Array, factor: float) -> Array:
    """With the same mean over the last axis, and deviations from it that are larger by a factor."""
    if factor == 1.0 or differences.shape[-1] == 0:
        return differences
    mean = differences.mean(axis=-1, keepdims=True)
    return mean + factor * (differences - mean)


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


def benjamini_hochberg(p: Array) -> Array:
    """Adjusted p of the tests on the last axis; of those called different, the expected share that is not holds."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p, axis=-1))


def adjusted(p: Array, correction: Correction) -> Array:
    """By Holm, so that anything is found in at most alpha of null studies, or by Benjamini and Hochberg."""
    return holm(p) if correction == "holm" else benjamini_hochberg(p)


def divergence_p(variant: tuple[int, int], baseline: tuple[int, int]) -> float | None:
    """Fisher's exact two-sided p that (diverged, done) differ, negative if the baseline diverged more often.

    None where nothing diverged. Runs that failed otherwise (killed, timed out) say little about the variant, and
    are not counted here.
    """
    if not variant[0] + baseline[0]:
        return None
    from scipy.stats import fisher_exact

    p = float(fisher_exact([variant, baseline])[1])
    more = variant[0] * sum(baseline) >= baseline[0] * sum(variant)
    return p if more else -p


def always_diverges_error(variant: int, baseline: int, contrasts: int = 1) -> float:
    """Largest chance that a study without differences has a variant all of whose runs diverge, and no baseline's.

    Whatever the chance q of a run to diverge, as long as it is the same for all variants (it may differ from seed to
    seed): of one contrast q^variant (1 - q)^baseline, so at most 1 / 64 with three runs each.

    Args:
        variant: runs of a variant.
        baseline: runs of the baseline, which all contrasts share.
    """
    q = np.linspace(0.0, 1.0, 4001)
    return float(np.max((1 - q) ** baseline * (1 - (1 - q**variant) ** contrasts)))


def skewness_p(differences: Array) -> float:
    """Two-sided p of the sample skewness of (n,) under normal noise, from simulated samples of the same size."""
    from scipy.stats import skew

    normal = _normal_skewness(differences.size)
    return float((np.sum(normal >= abs(skew(differences))) + 1) / (normal.size + 1))


@lru_cache(maxsize=64)
def _normal_skewness(n: int) -> Array:
    """Absolute skewness of 10,000 normal samples."""
    from scipy.stats import skew

    return np.abs(skew(np.random.default_rng(0).normal(size=(10_000, n)), axis=-1))


__all__ = [
    "Array", "Paired", "adjusted", "always_diverges_error", "benjamini_hochberg", "divergence_p", "equivalence_p",
    "holm", "paired_t", "skewness_p",
    "standard_error", "widened",
]  # fmt: skip
