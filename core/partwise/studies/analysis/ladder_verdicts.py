"""One word on what a difference does over a ladder of sizes; over arrays, so that tests can simulate it.

reverses        better at one size and worse at another, both found
equivalent      shown to be within the smallest effect, at every size
holds           found at the largest size, and at every size in the same direction with p below alpha
fades           found at a smaller size and not at the largest, where less than half of it is left (tested at alpha);
                its slope against log compute is found, towards zero
grows           found at the largest size and not at the smallest; its slope is found, away from zero
inconclusive    anything else

"Found" is by the study's one family of tests (Holm, over all sizes, variants and slopes). That the difference is there
at every size is a claim on all sizes at once, so that each needs to be tested only at alpha (an intersection-union
test: if there is none at one size, that size's test alone keeps the claim away in 1 - alpha of studies). It is
corrected over the variants (Holm), and made only where the family has found the largest.

That nothing was found at the largest size, where seeds may scatter most, shows no fading by itself: so that less than
half is left is tested as well, by each seed's difference there less half of its difference at the smallest size at
which one was found.
"""

from __future__ import annotations

import numpy as np

from partwise.studies.results import Goal

from .statistics import Array, holm, standard_error


def slopes(differences: Array, compute: Array) -> Array:
    """Least-squares slope over (..., sizes, n) against `compute`, one for each seed: (..., n).

    A t-test over them assumes nothing about how differences scatter at each size.
    """
    away = compute - compute.mean()
    return np.einsum("...kn,k->...n", differences, away / (away @ away))


def at_every_size(mean: Array, p: Array) -> Array:
    """Adjusted p that a difference is there, in one direction, at all of (..., variants, sizes): (..., variants)."""
    one_way = (mean > 0).all(axis=-1) | (mean < 0).all(axis=-1)
    return holm(np.where(one_way, np.nan_to_num(p, nan=1.0).max(axis=-1), 1.0))


def lost_half(differences: Array) -> Array:
    """One-sided p that at the last of (..., sizes, n) less is left than half of what is at each: (..., sizes)."""
    from scipy.special import stdtr

    left = differences[..., -1:, :] - differences / 2
    left = left * np.sign(differences.mean(axis=-1, keepdims=True))
    mean, error = left.mean(axis=-1), standard_error(left)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where((error == 0) & (mean == 0), 0.0, mean / error)
    return stdtr(differences.shape[-1] - 1, t)


def ladder_words(
    found: Array, every: Array, lost: Array, slope: Array, slope_p: Array, goal: Goal, alpha: float
) -> Array:
    """A word for each variant.

    Args:
        found: the verdicts at each size, words of shape (..., variants, sizes).
        every: of `at_every_size`.
        lost: of `lost_half`, (..., variants, sizes).
        slope, slope_p: mean and adjusted p, (..., variants); where there is none nan, and 1.
    """
    better, worse, steep = found == "better", found == "worse", slope_p < alpha
    upward = np.where(better.any(axis=-1), -1, np.where(worse.any(axis=-1), 1, 0)) * (1 if goal == "min" else -1)
    first, last = (better[..., end] | worse[..., end] for end in (0, -1))
    away = np.sign(np.nan_to_num(slope)) * upward
    gone = np.take_along_axis(lost, np.argmax(better | worse, axis=-1)[..., None], axis=-1)[..., 0] < alpha
    return np.select(
        [
            better.any(axis=-1) & worse.any(axis=-1),
            (found == "equivalent").all(axis=-1),
            last & (every < alpha),
            ~last & (upward != 0) & steep & (away < 0) & gone,
            last & ~first & steep & (away > 0),
        ],
        ["reverses", "equivalent", "holds", "fades", "grows"],
        "inconclusive",
    )


__all__ = ["at_every_size", "ladder_words", "lost_half", "slopes"]
