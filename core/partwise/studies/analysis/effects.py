"""The effects of a grid at one look: from figures per seed to what is said about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partwise.studies.results import Look, Results

from . import notes
from .findings import Effect, EffectVerdict, Within
from .grid_effects import GridContrast, grid_contrasts, within
from .statistics import Array, paired_t, widened
from .verdicts import Tested, paired_array


@dataclass(frozen=True)
class EffectFigures:
    """What a grid's contrast came to on some seeds."""

    contrast: GridContrast
    differences: Array | None
    """Per seed that all its cells finished; None while some wait, or with too few."""
    waiting: bool
    lost: tuple[int, int]
    """Runs of the level's cells, and of the cells it is compared with, that diverged or failed."""


def effect_figures(results: Results, seeds: Sequence[int]) -> list[EffectFigures]:
    """Of every effect of a grid, whether or not it can be tested yet: all of them count in the correction."""
    values = {v.name: results.values(v.name) for v in results.variants}
    states = {(o.variant, o.seed): o.state for o in results.outcomes}
    found = []
    for one in grid_contrasts(results):
        waits = any(states.get((variant, seed), "waiting") == "waiting" for variant in one.weights for seed in seeds)
        whole = list(one.per_seed(values, seeds).values())
        lost = tuple(
            sum(
                states.get((v, s)) in ("diverged", "failed")
                for v, w in one.weights.items()
                if w * sign > 0
                for s in seeds
            )
            for sign in (1, -1)
        )
        never = results.metric.amount is not None and any(seed not in values[v] for v in one.weights for seed in seeds)
        tested = None if waits or never else paired_array(whole)
        if tested is not None and results.shared_choice is not None:
            tested = widened(tested, results.shared_choice.widening(len(whole)))
        found.append(EffectFigures(one, tested, waits, (lost[0], lost[1])))
    return found


def told_effects(results: Results, figures: Sequence[EffectFigures], tested: Tested, look: Look) -> tuple[Effect, ...]:
    """The effects of a look that all cells have reached; those that too few seeds have finished are left out."""
    if any(one.waiting for one in figures):
        return ()
    effects = [_effect(results, one, tested, i, look) for i, one in enumerate(figures) if one.differences is not None]
    found = [one for one in effects if one.verdict == "found"]
    return tuple(_depending(results, one, found, look) for one in effects)


def _effect(results: Results, one: EffectFigures, tested: Tested, i: int, look: Look) -> Effect:
    assert one.differences is not None
    main, significant = len(one.contrast.chosen) == 1, tested.p_adjusted[i] < look.alpha
    verdict: EffectVerdict = "found" if significant else "not found"
    said = [notes.lost_cells(one.lost, one.differences.size)] if any(one.lost) else []
    if main:
        good = (tested.mean[i] < 0) == (results.metric.goal == "min")
        verdict = "inconclusive" if not significant else "better" if good else "worse"
        favoured = {"better": one.lost[0] > one.lost[1], "worse": one.lost[1] > one.lost[0]}
        if favoured.get(verdict, False):
            said.insert(0, notes.withheld_effect(verdict))
            verdict = "inconclusive"
    return Effect(
        name=one.contrast.name,
        factors=tuple(one.contrast.chosen),
        levels=tuple(one.contrast.chosen.values()),
        estimate=float(tested.mean[i]),
        low=float(tested.low[i]),
        high=float(tested.high[i]),
        p=float(tested.p[i]),
        p_adjusted=float(tested.p_adjusted[i]),
        alpha=look.alpha,
        verdict=verdict,
        correction=results.correction,
        seeds=one.differences.size,
        low_all=float(tested.low_all[i]),
        high_all=float(tested.high_all[i]),
        notes=tuple(said),
    )


def _depending(results: Results, effect: Effect, found: Sequence[Effect], look: Look) -> Effect:
    """A main effect as one that depends on other factors, if an interaction of its level was found."""
    if len(effect.factors) > 1:
        return effect
    (factor,), (level,) = effect.factors, effect.levels
    together = [dict(zip(one.factors, one.levels, strict=True)) for one in found]
    others = [other for levels in together if levels.get(factor) == level for other in levels if other != factor]
    if not others:
        return effect
    values = {v.name: results.values(v.name) for v in results.variants}
    seeds = results.seeds[: look.seeds]
    shown = []
    for other in dict.fromkeys(others):
        for at, one in zip(results.factors[other], within(results, factor, level, other), strict=True):
            t = paired_t(np.array(list(one.per_seed(values, seeds).values())), look.alpha)
            shown.append(Within(other, at, float(t.mean), float(t.low), float(t.high)))
    return replace(effect, verdict="depends", depends_on=tuple(dict.fromkeys(others)), within=tuple(shown))


__all__ = ["EffectFigures", "effect_figures", "told_effects"]
