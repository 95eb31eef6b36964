"""Main effects and interactions of a grid: each is one figure per seed, and a t-test over the seeds.

An effect is a weighted sum of the grid's cells: level minus baseline, averaged over the levels of the other factors
(equally), or a difference of such differences. A seed that finished all of its cells gives one figure of it. So nothing
is pooled over cells, and nothing is assumed about their variances: where nothing differs these figures scatter around
zero however differently the cells scatter, while one common residual variance finds effects in 17 to 24 % of null
studies in which one level is ten times as noisy (simulated).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

from partwise.studies.results import Results

Seeds = Mapping[int, float]
"""Seed -> figure."""


@dataclass(frozen=True)
class GridContrast:
    """A weighted sum of the grid's variants."""

    name: str
    """`position=rope`, `position=rope x norm=rms_norm`."""
    chosen: Mapping[str, str]
    """Factor -> level, of those it is about."""
    weights: Mapping[str, float]
    """Variant -> weight; without those of weight zero."""

    def per_seed(self, values: Mapping[str, Seeds], seeds: Sequence[int]) -> dict[int, float]:
        """Its figure on each seed that all its variants have finished."""
        whole = [seed for seed in seeds if all(seed in values[variant] for variant in self.weights)]
        return {seed: sum(w * values[variant][seed] for variant, w in self.weights.items()) for seed in whole}


def grid_contrasts(results: Results) -> list[GridContrast]:
    """Main effects against each factor's first level, then interactions of two factors; none unless it is a grid."""
    if results.design == "fractional":
        return _of_fraction(results)
    if results.design != "grid":
        return []
    named = {tuple(v.levels[factor] for factor in results.factors): v.name for v in results.variants}
    found = [_contrast(results.factors, named, chosen) for chosen in _choices(results.factors)]
    return [one for one in found if one is not None]


def count_effects(results: Results) -> int:
    """How many main effects and interactions a setting has: counted where it can be, for a large grid has many."""
    whole = len(results.variants) == prod(map(len, results.factors.values()))
    if results.design == "grid" and whole:
        return sum(1 for _ in _choices(results.factors))
    return len(grid_contrasts(results))


def within(results: Results, factor: str, level: str, other: str) -> list[GridContrast]:
    """The level's difference from the factor's first, at each level of another factor by itself."""
    if results.design == "fractional":
        others = [_of_rows(results, {factor: level}, {other: one}) for one in results.factors[other]]
        return [one for one in others if one.weights]
    named = {tuple(v.levels[f] for f in results.factors): v.name for v in results.variants}
    at = [_contrast(results.factors, named, {factor: level}, {other: one}) for one in results.factors[other]]
    return [one for one in at if one is not None]


def _of_fraction(results: Results) -> list[GridContrast]:
    """Main effects of a fraction; of resolution V also interactions of two factors, which no other then hides."""
    most = 2 if (results.resolution or 0) >= 5 else 1
    return [_of_rows(results, chosen) for chosen in _choices(results.factors) if len(chosen) <= most]


def _of_rows(results: Results, chosen: Mapping[str, str], fixed: Mapping[str, str] | None = None) -> GridContrast:
    """From a fraction's runs, half of which have each level: differences between their means."""
    kept = [v for v in results.variants if all(v.levels[f] == level for f, level in (fixed or {}).items())]
    signs = {v.name: prod(1 if v.levels[f] == level else -1 for f, level in chosen.items()) for v in kept}
    weights = {name: sign * 2 ** len(chosen) / len(kept) for name, sign in signs.items()}
    return GridContrast(" x ".join(f"{f}={of}" for f, of in {**chosen, **(fixed or {})}.items()), chosen, weights)


def _choices(factors: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    for size in (1, 2):
        for involved in combinations(factors, size):
            for levels in product(*(factors[factor][1:] for factor in involved)):
                yield dict(zip(involved, levels, strict=True))


def _contrast(
    factors: Mapping[str, Sequence[str]],
    named: Mapping[tuple[str, ...], str],
    chosen: Mapping[str, str],
    fixed: Mapping[str, str] | None = None,
) -> GridContrast | None:
    """None if it needs a cell that the study has not."""
    weights: dict[str, float] = {}
    for cell in product(*factors.values()):
        weight = prod(
            _weight(factors, factor, level, chosen, fixed or {}) for factor, level in zip(factors, cell, strict=True)
        )
        if weight:
            if cell not in named:
                return None
            weights[named[cell]] = weight
    return GridContrast(" x ".join(f"{f}={of}" for f, of in {**chosen, **(fixed or {})}.items()), chosen, weights)


def _weight(
    factors: Mapping[str, Sequence[str]], factor: str, level: str, chosen: Mapping[str, str], fixed: Mapping[str, str]
) -> float:
    """Of a level in a contrast: a step from the first level to the chosen one, a fixed level alone, or a mean."""
    if factor in chosen:
        return float(level == chosen[factor]) - float(level == factors[factor][0])
    if factor in fixed:
        return float(level == fixed[factor])
    return 1 / len(factors[factor])


__all__ = ["GridContrast", "count_effects", "grid_contrasts", "within"]
