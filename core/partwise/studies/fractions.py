"""Fractions of a grid of two-level factors (Box & Hunter 1961): fewer runs, with effects that share their estimates.

The 2^m runs are the numbers below 2^m. Each factor has a mask, and stands at its second level in the runs that share an
odd number of bits with it, so that the run 0 is the baseline. Two effects are aliased, that is one cannot be told from
the other, where the masks of their factors come to the same when they are combined (exclusive or). Of resolution R, no
main effect is aliased with an effect of fewer than R - 1 factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from itertools import combinations, count
from operator import xor

Mask = int


@lru_cache(maxsize=256)
def fraction(factors: int, resolution: int) -> tuple[int, tuple[Mask, ...]]:
    """(m, the factors' masks) of the smallest fraction, 2^m runs, that has the resolution.

    Masks are taken in their order, each unless it is a combination of fewer than R - 1 of those before: the least code
    in which R - 1 columns are always independent, which for two-level designs is as small as the published tables.
    """
    for size in count(1):
        masks: list[Mask] = []
        for mask in range(1, 2**size):
            if len(masks) < factors and not _combined(mask, masks, resolution - 2):
                masks.append(mask)
        if len(masks) == factors:
            return size, tuple(masks)
    raise AssertionError("count is endless")


def _combined(mask: Mask, masks: Sequence[Mask], most: int) -> bool:
    """Whether it is a combination of at most so many others."""
    return any(reduce(xor, some) == mask for number in range(1, most + 1) for some in combinations(masks, number))


def rows(factors: int, resolution: int) -> list[tuple[bool, ...]]:
    """The runs, the baseline first: for each factor whether it stands at its second level."""
    size, masks = fraction(factors, resolution)
    return [tuple((run & mask).bit_count() % 2 == 1 for mask in masks) for run in range(2**size)]


def aliases(factors: Sequence[str], resolution: int) -> list[list[tuple[str, ...]]]:
    """Main effects and interactions of two factors that cannot be told apart, in groups of at least two."""
    _, masks = fraction(len(factors), resolution)
    mask_of = dict(zip(factors, masks, strict=True))
    groups: dict[Mask, list[tuple[str, ...]]] = {}
    for number in (1, 2):
        for chosen in combinations(factors, number):
            groups.setdefault(reduce(xor, (mask_of[one] for one in chosen)), []).append(chosen)
    return [group for group in groups.values() if len(group) > 1]


__all__ = ["aliases", "fraction", "rows"]
