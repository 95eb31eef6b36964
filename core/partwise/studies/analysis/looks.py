"""Looking at a study before it is finished: only at declared moments, each with its share of alpha.

The shares add up to no more than the study's alpha (a Bonferroni split), which holds the error rate for any
number of looks, any dependence between them and any correction over contrasts within a look. Splits that spend
more (Pocock, O'Brien-Fleming) rest on large samples and a single contrast, and are not offered.
"""

from __future__ import annotations

from collections.abc import Sequence

from partwise.errors import InputError
from partwise.studies.results import Look


def check_looks(looks: Sequence[Look], alpha: float, seeds: int) -> None:
    """Refuses looks that do not hold the error rate.

    Raises:
        InputError: they do not grow, do not end with all the seeds, or spend more than `alpha`.
    """
    if not looks:
        return
    moments = [look.seeds for look in looks]
    if moments != sorted(set(moments)):
        raise InputError(f"looks at {moments} seeds: each look needs more seeds than the one before")
    if moments[0] < 3:
        raise InputError(f"a look at {moments[0]} seeds: no verdict is given below 3; the first look needs at least 3")
    if moments[-1] != seeds:
        raise InputError(
            f"the last look is at {moments[-1]} seeds, and the study has {seeds}: look last at all of them"
        )
    if any(look.alpha <= 0 for look in looks):
        raise InputError("a look with alpha 0 or less can say nothing: give each a positive share")
    spent = sum(look.alpha for look in looks)
    if spent > alpha * (1 + 1e-9):
        raise InputError(
            f"the looks spend {spent:g} of an alpha of {alpha:g}: their shares may add up to {alpha:g} at most, "
            f"for example {alpha / len(looks):g} each"
        )


def declared_looks(looks: Sequence[Look], alpha: float, seeds: int) -> list[Look]:
    """The looks, or the one that every study has: at the end, with all of alpha."""
    check_looks(looks, alpha, seeds)
    return list(looks) or [Look(seeds=seeds, alpha=alpha)]


__all__ = ["check_looks", "declared_looks"]
