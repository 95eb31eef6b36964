"""What a number of seeds can detect, and how many an effect needs.

Solved here by integrating the noncentral t: the solver of statsmodels' `TTestPower` is wrong at 3 or 4 seeds with
a small alpha, and `scipy.stats.nct` gives nan there.

Before a study, planning takes the unpaired spread of a variant over seeds: how much pairing will help is known only
afterwards. Once there are paired differences, everything is told from their spread, with the interval within which
few seeds know it. The level is alpha / tests, at which Holm tests the smallest p: what a single real effect meets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import sqrt
from typing import TYPE_CHECKING

from .findings import Needed

if TYPE_CHECKING:
    from .statistics import Array

MOST_SEEDS = 10_000
_NODES = 128


def power_of(effect: float, seeds: int, alpha: float) -> float:
    """Chance that a two-sided paired t-test at `alpha` finds `effect`, given in SDs of the paired difference.

    t = (z + effect sqrt(n)) / s with s the estimated over the true SD: given s a normal probability, averaged
    here over s.
    """
    from scipy.special import ndtr, stdtrit

    estimated, weight = _estimated_sd(seeds - 1)
    shift, critical = abs(effect) * sqrt(seeds), stdtrit(seeds - 1, 1 - alpha / 2) * estimated
    return float((ndtr(shift - critical) + ndtr(-shift - critical)) @ weight)


@lru_cache(maxsize=4096)
def _estimated_sd(df: int) -> tuple[Array, Array]:
    """Values and weights of the estimated over the true SD, which is chi / sqrt(df)."""
    import numpy as np
    from scipy.special import gammaincinv

    quantile, weight = _quantiles()
    return np.sqrt(2 / df * gammaincinv(df / 2, quantile)), weight


@lru_cache(maxsize=1)
def _quantiles() -> tuple[Array, Array]:
    """Gauss-Legendre nodes over (0, 1), moved to be dense at both ends, where quantiles run away."""
    import numpy as np

    node, weight = np.polynomial.legendre.leggauss(_NODES)
    v = (node + 1) / 2
    return v**2 * (3 - 2 * v), weight * 3 * v * (1 - v)


def equivalence_power_of(margin: float, seeds: int, alpha: float) -> float:
    """Chance that two one-sided t-tests at `alpha` show a difference of zero to lie within `margin`, in SDs of it.

    Given s as above, the mean must lie within margin - t s / sqrt(n) of zero.
    """
    from scipy.special import ndtr, stdtrit

    estimated, weight = _estimated_sd(seeds - 1)
    room = margin * sqrt(seeds) - stdtrit(seeds - 1, 1 - alpha) * estimated
    return float((2 * ndtr(room) - 1).clip(0) @ weight)


@lru_cache(maxsize=4096)
def detectable_size(seeds: int, alpha: float, power: float = 0.8) -> float:
    """Smallest true difference found with chance `power`, in SDs of the paired difference; seeds at least 2."""
    return _smallest(lambda size: power_of(size, seeds, alpha) - power)


@lru_cache(maxsize=4096)
def _margin(seeds: int, alpha: float, power: float) -> float:
    """Smallest margin within which equivalence is shown with chance `power`, in SDs of the paired difference."""
    return _smallest(lambda margin: equivalence_power_of(margin, seeds, alpha) - power)


def _smallest(short_of: Callable[[float], float]) -> float:
    """Where a rising function passes zero."""
    from scipy.optimize import brentq

    top = 1.0
    while short_of(top) < 0:
        top *= 2
    return float(brentq(short_of, 0.0, top, xtol=1e-12))


def seeds_for_size(size: float, alpha: float, power: float = 0.8) -> int | None:
    """Fewest seeds (at least 3) that find a difference of `size` SDs; None if more than 10,000."""
    return _fewest(lambda seeds: size >= detectable_size(seeds, alpha, power))


def seeds_for_equivalence(margin: float, alpha: float, power: float = 0.8) -> int | None:
    """Fewest seeds (at least 3) that show equivalence within `margin` SDs where there is no difference at all."""
    return _fewest(lambda seeds: margin >= _margin(seeds, alpha, power))


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """Asked for the same few numbers of seeds whatever the effect, so that what they detect is computed once."""
    if not enough(MOST_SEEDS):
        return None
    low, high = 2, MOST_SEEDS  # too few; enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def sd_interval(sd: float, seeds: int, level: float = 0.95) -> tuple[float, float]:
    """Within which the true SD lies that was estimated from so many differences (chi-squared, normal noise)."""
    from scipy.special import chdtri

    tail = (1 - level) / 2
    return sd * sqrt((seeds - 1) / chdtri(seeds - 1, tail)), sd * sqrt((seeds - 1) / chdtri(seeds - 1, 1 - tail))


def needed(count: Callable[[float], int | None], sd: float, seeds: int) -> Needed:
    """Seeds by a rule of the SD, with their interval: that of the SD."""
    low, high = sd_interval(sd, seeds)
    return Needed(count(sd), count(low), count(high))


def detectable_effect(
    sd: float, seeds: int, contrasts: int = 1, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Smallest true difference from the baseline that a study would find, in the metric's unit.

    Args:
        sd: of the metric over seeds within one variant, the metric's unit.
        contrasts: variants compared with the baseline.

    Returns:
        None below two seeds, which detect nothing.
    """
    return detectable_size(seeds, alpha / contrasts, power) * sqrt(2) * sd if seeds > 1 else None


def seeds_needed(effect: float, sd: float, contrasts: int = 1, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Fewest seeds (at least 3) that would find `effect`; None if more than 10,000. See `detectable_effect`."""
    if sd == 0:
        return 3 if effect else None
    return seeds_for_size(abs(effect) / (sqrt(2) * sd), alpha / contrasts, power)


__all__ = [
    "MOST_SEEDS", "detectable_effect", "detectable_size", "equivalence_power_of", "needed", "power_of", "sd_interval",
    "seeds_for_equivalence", "seeds_for_size", "seeds_needed",
]  # fmt: skip
