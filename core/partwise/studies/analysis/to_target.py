"""Figures such as steps to a target: compared by ranks where a run never reached it, which is later than any that did.

Where all runs reached the target, the paired t-test holds as for any figure. Where one did not, its figure is not
known, only that it is beyond the end; a mean over the others would flatter the side that lost it. So the runs of both
sides are ranked together, those that never reached it sharing the last place, and the sum of ranks is compared with
what it is under every exchange of runs between the sides (the Wilcoxon-Mann-Whitney test, which is Gehan's where all
runs end alike). It is exact whatever the share of runs that never reached it. It does not use the pairs of seeds: with
three or five, a test by pairs could never find anything.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb, inf, isinf

import numpy as np

from partwise.studies.results import Outcome

from .statistics import Array

MOST_EXCHANGES = 20_000
"""Up to which all of them are looked at; beyond, the normal approximation with its correction for ties."""


def time_of(outcome: Outcome) -> float | None:
    """When a run reached the target, infinite if it never did, as one that diverged; None if it failed or waits."""
    if outcome.state == "diverged":
        return inf
    if outcome.state != "done":
        return None
    return inf if outcome.metric is None else outcome.metric


def later_p(variant: list[float], baseline: list[float]) -> float | None:
    """Two-sided p that both sides reach the target alike, negative if the variant does so sooner.

    None where every run reached it, or there are none.
    """
    if not variant or not baseline or not any(map(isinf, (*variant, *baseline))):
        return None
    p, later = rank_test(np.array(variant), np.array(baseline))
    return float(p if later > 0 else -p)


def rank_test(variant: Array, baseline: Array) -> tuple[Array, Array]:
    """p, and how much later the variant's ranks are than by chance; over the last axis, of many studies at once."""
    from scipy.stats import mannwhitneyu, rankdata

    own, other = variant.shape[-1], baseline.shape[-1]
    ranks = rankdata(np.concatenate([variant, baseline], axis=-1), axis=-1)
    apart = ranks[..., :own].sum(axis=-1) - own * (own + other + 1) / 2
    if comb(own + other, own) > MOST_EXCHANGES:
        first, then = ranks[..., :own], ranks[..., own:]
        return np.asarray(mannwhitneyu(first, then, axis=-1, method="asymptotic").pvalue), apart
    sums = ranks @ _exchanges(own, other) - own * (own + other + 1) / 2
    as_far = np.abs(sums) >= np.abs(apart)[..., None] - 1e-9
    return as_far.mean(axis=-1), apart


@lru_cache(maxsize=64)
def _exchanges(own: int, other: int) -> Array:
    """(runs, exchanges): which runs would be the variant's."""
    every = list(combinations(range(own + other), own))
    chosen = np.zeros((own + other, len(every)))
    for number, places in enumerate(every):
        chosen[list(places), number] = 1
    return chosen


__all__ = ["later_p", "rank_test", "time_of"]
