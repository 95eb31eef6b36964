"""Main effects and interactions of a grid, with seeds as blocks.

The model gives every cell of the grid a mean and every seed a shift; each effect, and each term of the analysis
of variance, is a contrast of cell means. Main effects average over the levels of the other factors (equally,
also when runs are missing: Yates' weighted squares of means, "type III").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import combinations, product
from typing import Any

import numpy as np

from .findings import Anova, Effect
from .paired import Array, holm
from .pooled import block_model, has_spread

Cell = tuple[str, ...]


def grid_effects(
    factors: Mapping[str, Sequence[str]], cells: Mapping[Cell, dict[int, float]], alpha: float
) -> tuple[tuple[Effect, ...], tuple[Anova, ...]]:
    """Main effects against each factor's first level, interactions of two factors, and the table of variance.

    Args:
        factors: name -> levels, the baseline's first.
        cells: levels in the factors' order -> seed -> metric.

    Returns:
        Effects whose cells all have runs; the table if every cell has. Nothing with fewer than two seeds.
    """
    every = list(product(*factors.values()))
    order = [cell for cell in every if cells.get(cell)]
    full = len(order) == len(every)
    seeds = {seed for cell in order for seed in cells[cell]}
    if len(seeds) < 2 or sum(len(cells[cell]) for cell in order) < len(order) + len(seeds):
        return (), ()
    fit, _ = block_model({str(i): cells[cell] for i, cell in enumerate(order)})
    if not has_spread(fit):
        return (), ()

    present = np.array([bool(cells.get(cell)) for cell in every])

    def over_parameters(rows: Array) -> Array | None:
        """Contrasts of all cells as contrasts of the parameters; None if a cell without runs is needed."""
        if rows[:, ~present].any():
            return None
        return np.hstack([rows[:, present], np.zeros((len(rows), len(fit.params) - len(order)))])

    found = []
    for name, involved, row in _effects(factors):
        contrast = over_parameters(row)
        if contrast is not None:
            test = fit.t_test(contrast)
            low, high = test.conf_int(alpha)[0]
            p = test.pvalue.item()
            found.append(Effect(name, involved, float(test.effect[0]), float(low), float(high), p, alpha=alpha))
    adjusted = holm(np.array([effect.p for effect in found]))
    effects = tuple(replace(e, p_adjusted=float(a)) for e, a in zip(found, adjusted, strict=True))
    return effects, tuple(_anova(factors, fit, over_parameters)) if full else ()


def _effects(factors: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, tuple[str, ...], Array]]:
    """(name, factors, (1, cells) contrast): level minus baseline, and differences of those differences."""
    for size in (1, 2):
        for involved in combinations(factors, size):
            for levels in product(*(range(1, len(factors[f])) for f in involved)):
                chosen = dict(zip(involved, levels, strict=True))
                name = " x ".join(f"{f}={factors[f][i]}" for f, i in chosen.items())
                parts = [_step(len(of), chosen[f]) if f in chosen else _mean(len(of)) for f, of in factors.items()]
                yield name, involved, reduce(np.kron, parts)


def _anova(
    factors: Mapping[str, Sequence[str]], fit: Any, over_parameters: Callable[[Array], Array | None]
) -> Iterator[Anova]:
    """All terms up to the highest interaction: no differences within them, tested together."""
    for size in range(1, len(factors) + 1):
        for involved in combinations(factors, size):
            parts = [
                np.vstack([_step(len(of), i) for i in range(1, len(of))]) if f in involved else _mean(len(of))
                for f, of in factors.items()
            ]
            rows = reduce(np.kron, parts)
            test = fit.f_test(over_parameters(rows))
            yield Anova(" x ".join(involved), len(rows), float(test.fvalue), float(test.pvalue))


def _step(levels: int, level: int) -> Array:
    return np.eye(levels)[[level]] - np.eye(levels)[[0]]


def _mean(levels: int) -> Array:
    return np.full((1, levels), 1 / levels)


__all__ = ["grid_effects"]
