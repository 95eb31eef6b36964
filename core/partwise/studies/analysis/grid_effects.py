"""Main effects and interactions of a grid, with seeds as blocks.

The model gives every cell of the grid a mean and every seed a shift; each effect, and each term of the analysis
of variance, is a contrast of cell means. Main effects average over the levels of the other factors (equally,
also when runs are missing: Yates' weighted squares of means, "type III").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations, product
from typing import Any

import numpy as np

from .findings import Anova, Effect
from .pooled_model import block_model, has_spread
from .statistics import Array, holm

Cell = tuple[str, ...]
Factors = Mapping[str, Sequence[str]]


def grid_effects(
    factors: Factors, cells: Mapping[Cell, dict[int, float]], alpha: float
) -> tuple[tuple[Effect, ...], tuple[Anova, ...]]:
    """Main effects against each factor's first level, interactions of two factors, and the analysis of variance.

    Args:
        factors: name -> levels, the baseline's first.
        cells: levels in the factors' order -> seed -> metric.

    Returns:
        Effects whose cells all have runs; the analysis of variance if every cell has. Nothing with fewer than two
        seeds.
    """
    model = _fitted(factors, cells)
    if model is None:
        return (), ()
    return _effects(factors, model, alpha), tuple(_anova(factors, model)) if model.present.all() else ()


@dataclass(frozen=True)
class _Model:
    """The block model of a grid's cells."""

    fit: Any
    """statsmodels' results; the first parameters are the means of the cells that have runs."""
    present: Array
    """Of every cell of the grid, whether it has runs."""

    def contrast(self, rows: Array) -> Array | None:
        """Contrasts of all cells as contrasts of the parameters; None if one needs a cell without runs."""
        if rows[:, ~self.present].any():
            return None
        seeds = len(self.fit.params) - self.present.sum()
        return np.hstack([rows[:, self.present], np.zeros((len(rows), seeds))])


def _fitted(factors: Factors, cells: Mapping[Cell, dict[int, float]]) -> _Model | None:
    """None if there are too few runs to judge anything by."""
    every = list(product(*factors.values()))
    filled = [cells[cell] for cell in every if cells.get(cell)]
    seeds = {seed for of in filled for seed in of}
    if len(seeds) < 2 or sum(map(len, filled)) < len(filled) + len(seeds):
        return None
    fit, _ = block_model({str(i): of for i, of in enumerate(filled)})
    return _Model(fit, np.array([bool(cells.get(cell)) for cell in every])) if has_spread(fit) else None


def _effects(factors: Factors, model: _Model, alpha: float) -> tuple[Effect, ...]:
    """All main effects and interactions of two factors that the cells tell, corrected over all of them."""
    found = []
    for name, involved, row in _contrasts(factors):
        contrast = model.contrast(row)
        if contrast is not None:
            test = model.fit.t_test(contrast)
            low, high = test.conf_int(alpha)[0]
            p = test.pvalue.item()
            found.append(Effect(name, involved, float(test.effect[0]), float(low), float(high), p, alpha=alpha))
    adjusted = holm(np.array([effect.p for effect in found]))
    return tuple(replace(e, p_adjusted=float(a)) for e, a in zip(found, adjusted, strict=True))


def _contrasts(factors: Factors) -> Iterator[tuple[str, tuple[str, ...], Array]]:
    """(name, factors, (1, cells) contrast): level minus baseline, and differences of those differences."""
    for size in (1, 2):
        for involved in combinations(factors, size):
            for levels in product(*(range(1, len(factors[f])) for f in involved)):
                chosen = dict(zip(involved, levels, strict=True))
                name = " x ".join(f"{f}={factors[f][i]}" for f, i in chosen.items())
                parts = [_step(len(of), chosen[f]) if f in chosen else _mean(len(of)) for f, of in factors.items()]
                yield name, involved, reduce(np.kron, parts)


def _anova(factors: Factors, model: _Model) -> Iterator[Anova]:
    """All terms up to the highest interaction: that there are no differences within them, tested together."""
    for size in range(1, len(factors) + 1):
        for involved in combinations(factors, size):
            parts = [
                np.vstack([_step(len(of), i) for i in range(1, len(of))]) if f in involved else _mean(len(of))
                for f, of in factors.items()
            ]
            rows = reduce(np.kron, parts)
            test = model.fit.f_test(model.contrast(rows))
            yield Anova(" x ".join(involved), len(rows), float(test.fvalue), float(test.pvalue))


def _step(levels: int, level: int) -> Array:
    return np.eye(levels)[[level]] - np.eye(levels)[[0]]


def _mean(levels: int) -> Array:
    return np.full((1, levels), 1 / levels)


__all__ = ["grid_effects"]
