"""What a grid tells in words: main effects, whether they depend on the other factors, and interactions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from partwise.studies.results import Metric, Results
from partwise.wording import joined, many

from .findings import Contrast, Effect
from .pairs import ROUNDING
from .phrases import adjusted, estimate


def company_of(results: Results, contrast: Contrast) -> str:
    """In which company a grid's contrast of one factor stands: `with layer_norm`; empty for other designs."""
    if results.design != "grid" or contrast.factor is None:
        return ""
    base = next(v for v in results.variants if v.name == results.baseline)
    others = [label for factor, label in base.levels.items() if factor != contrast.factor]
    return f"with {joined(others)}" if others else ""


def grid_headline(results: Results, contrasts: Iterable[Contrast], effects: Sequence[Effect]) -> str:
    """What a factor does in all company, never what it does in one alone without saying so."""
    by_level = {c.level: c for c in contrasts}
    told = [_level_headline(results, e, by_level.get(e.levels[0])) for e in effects if len(e.factors) == 1]
    known = {e.levels[0] for e in effects if len(e.factors) == 1}
    told += [_alone(results, c) for level, c in by_level.items() if level not in known]
    interactions = [e for e in effects if len(e.factors) > 1]
    found = [" x ".join(e.levels) for e in interactions if e.verdict == "found"]
    if interactions:
        told.append(f"found: {joined(found)}" if found else "none was noticed")
    return f"{'; '.join(told)}." if told else ""


def _level_headline(results: Results, effect: Effect, contrast: Contrast | None) -> str:
    (level,) = effect.levels
    if effect.verdict != "depends":
        return f"averaged over {_others(results, effect)}, {level} is {effect.verdict}"
    said = f"what {level} does depends on {joined(effect.depends_on)}"
    return said if contrast is None else f"{said} ({_alone(results, contrast)})"


def _alone(results: Results, contrast: Contrast) -> str:
    """`with layer_norm, rope is better`."""
    has = "has" if contrast.verdict == "no verdict" else "is"
    company = company_of(results, contrast)
    return f"{f'{company}, ' if company else ''}{contrast.level} {has} {contrast.verdict}"


def _others(results: Results, effect: Effect) -> str:
    return joined(factor for factor in results.factors if factor not in effect.factors)


def effect_clause(effect: Effect, results: Results) -> str:
    """`averaged over norm, rope is better than learned: the difference is ...`, without a full stop."""
    facts = [adjusted(effect.p_adjusted, effect.correction), many(effect.seeds, "seed")]
    amount = estimate(effect.estimate, effect.low, effect.high, effect.alpha, results.metric, *facts)
    size = max((abs(run.metric) for run in results.outcomes if run.metric is not None), default=0.0)
    if max(abs(effect.low), abs(effect.high)) <= ROUNDING * size:
        amount = "no more than rounding"
    note = f" [{' – '.join(one.text for one in effect.notes)}]" if effect.notes else ""
    if len(effect.factors) > 1:
        return f"{_interaction(effect, amount)}{note}"
    (factor,), (level,) = effect.factors, effect.levels
    against, average = results.factors[factor][0], f"averaged over {_others(results, effect)}"
    if effect.verdict == "depends":
        return f"{_depends(effect, against, results.metric)}, and {average} the difference is {amount}{note}"
    if effect.verdict == "inconclusive":
        return f"{average}, {level} is inconclusive: the difference from {against} is {amount}{note}"
    return f"{average}, {level} is {effect.verdict} than {against}: the difference is {amount}{note}"


def _depends(effect: Effect, against: str, metric: Metric) -> str:
    parts = [
        f"{estimate(one.estimate, one.low, one.high, effect.alpha, metric)} with {one.level}" for one in effect.within
    ]
    said = f"what {effect.levels[0]} does depends on {joined(effect.depends_on)}"
    return f"{said}: the difference from {against} is {joined(parts)}"


def _interaction(effect: Effect, amount: str) -> str:
    together = joined(effect.levels)
    if effect.verdict == "found":
        return f"{together} do not simply add up: together they add {amount} to the sum of their parts"
    return f"no interaction of {together} was noticed: together they add {amount} to the sum of their parts"


__all__ = ["company_of", "effect_clause", "grid_headline"]
