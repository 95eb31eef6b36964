"""Fractions of a grid: as small as the published ones, with the resolution they claim, and aliases that are true."""

from __future__ import annotations

from functools import reduce
from itertools import combinations

import numpy as np
import pytest

from partwise.studies.fractions import aliases, rows

PUBLISHED = {
    3: {3: 4, 4: 8, 5: 8, 6: 8, 7: 8, 8: 16, 11: 16, 15: 16, 16: 32},
    4: {4: 8, 5: 16, 6: 16, 7: 16, 8: 16, 9: 32, 11: 32, 16: 32},
    5: {5: 16, 6: 32, 7: 64, 8: 64, 9: 128, 10: 128, 11: 128},
}
"""Resolution -> factors -> runs: Box, Hunter & Hunter, Statistics for Experimenters, table 6.22, and Montgomery."""


def signs(factors: int, resolution: int) -> np.ndarray:
    return 2 * np.array(rows(factors, resolution), dtype=int) - 1


@pytest.mark.parametrize(("resolution", "factors", "runs"),
                         [(r, k, n) for r, of in PUBLISHED.items() for k, n in of.items()])  # fmt: skip
def test_a_fraction_is_as_small_as_the_published_one(resolution: int, factors: int, runs: int) -> None:
    found = signs(factors, resolution)
    assert found.shape == (runs, factors)
    assert np.all(found[0] == -1), "the base is in it, first"
    assert len({tuple(row) for row in found}) == runs


@pytest.mark.parametrize("resolution", [3, 4, 5])
@pytest.mark.parametrize("factors", [3, 4, 5, 6, 7, 8])
def test_no_effects_of_few_factors_are_aliased(resolution: int, factors: int) -> None:
    found = signs(factors, resolution)
    every = [columns for number in range(1, resolution) for columns in combinations(range(factors), number)]
    for columns in every:
        assert found[:, columns].prod(axis=1).sum() == 0, "each effect is balanced"
    for one, other in combinations(every, 2):
        if len(one) + len(other) < resolution:
            assert found[:, one].prod(axis=1) @ found[:, other].prod(axis=1) == 0


@pytest.mark.parametrize(("factors", "resolution"), [(3, 3), (5, 3), (7, 3), (5, 4), (7, 4), (6, 5)])
def test_aliases_are_the_effects_whose_columns_are_alike(factors: int, resolution: int) -> None:
    names = [f"f{number}" for number in range(factors)]
    found = dict(zip(names, signs(factors, resolution).T, strict=True))
    groups: dict[bytes, set[tuple[str, ...]]] = {}
    for number in (1, 2):
        for chosen in combinations(names, number):
            column = reduce(np.multiply, (found[one] for one in chosen))
            groups.setdefault((column * column[0]).tobytes(), set()).add(chosen)
    told = {frozenset(group) for group in aliases(names, resolution)}
    assert told == {frozenset(group) for group in groups.values() if len(group) > 1}
    assert bool(told) == (resolution < 5)
