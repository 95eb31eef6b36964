"""Verdicts in words: one clause per variant or effect, gathered by factor."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from partwise.rendering.numbers import decimals, fixed, p_value
from partwise.studies.results import Metric, Results
from partwise.wording import many

from .findings import Contrast, Effect, FactorVerdict
from .power import MOST_SEEDS
from .statistics import paired_t


def factor_verdicts(
    results: Results, contrasts: Iterable[Contrast], effects: Iterable[Effect]
) -> tuple[FactorVerdict, ...]:
    """What is said about each factor of which anything is known.

    A variant that differs in several factors speaks under its own name. In a grid such variants are left to the
    effects: main effects stand with their factor, the others under `interactions`.
    """
    compared: dict[str, list[Contrast]] = {}
    clauses: dict[str, list[str]] = {factor: [] for factor in results.factors}
    for contrast in contrasts:
        if contrast.factor is not None or results.design != "grid":
            factor = contrast.factor or contrast.variant
            compared.setdefault(factor, []).append(contrast)
            clauses.setdefault(factor, []).append(_verdict(contrast, results))
    for effect in effects:
        factor = effect.factors[0] if len(effect.factors) == 1 else "interactions"
        clauses.setdefault(factor, []).append(_effect(effect, results.metric))
    return tuple(
        FactorVerdict(factor, tuple(compared.get(factor, ())), tuple(said)) for factor, said in clauses.items() if said
    )


def _verdict(contrast: Contrast, results: Results) -> str:
    """`alibi is worse than learned by 0.031 bits per byte (95 % CI ...)`."""
    base = next(v for v in results.variants if v.name == results.baseline)
    against = base.levels.get(contrast.factor or "", "the baseline")
    tell = {
        "better": _different,
        "worse": _different,
        "equivalent": _equivalent,
        "inconclusive": _inconclusive,
        "no verdict": _none,
    }[contrast.verdict]
    note = f" [{contrast.note}]" if contrast.notes else ""
    return f"{contrast.level} {tell(contrast, against, results.metric)}{note}"


def _different(c: Contrast, against: str, metric: Metric) -> str:
    if c.p_divergence is not None and (c.p is None or c.p_divergence < c.p):
        share = f"a {'larger' if c.verdict == 'worse' else 'smaller'} share of its runs diverged"
        return f"is {c.verdict} than {against}: {share} (Fisher's exact {chance(c.p_divergence)}, {_holm(c)})"
    assert c.difference is not None
    assert c.low is not None
    assert c.high is not None
    towards_more = (metric.goal == "max") == (c.verdict == "better")
    amount = (c.difference, c.low, c.high) if towards_more else (-c.difference, -c.high, -c.low)
    said = f"is {c.verdict} than {against} by {estimate(*amount, c.alpha, metric, _holm(c), _seeds(c))}"
    smallest = metric.smallest_effect
    if smallest is not None and min(abs(c.low), abs(c.high)) < smallest:
        said += f", though perhaps by less than the {smallest:g} that matters"
    return said


def _equivalent(c: Contrast, against: str, metric: Metric) -> str:
    level = 2 * c.alpha  # of the interval that two one-sided tests at alpha correspond to
    paired = paired_t(np.array(c.differences), level)
    figures = float(paired.mean), float(paired.low), float(paired.high)
    p = f"Holm-adjusted {chance(c.p_equivalent)} for equivalence"
    difference = estimate(*figures, level, metric, p, _seeds(c))
    said = f"is equivalent to {against} within {metric.smallest_effect:g}: the difference is {difference}"
    if c.p_adjusted is not None and c.p_adjusted < c.alpha:
        said += f", and there is a difference ({_holm(c)}), smaller than what was declared to matter"
    return said


def _inconclusive(c: Contrast, against: str, metric: Metric) -> str:
    if c.difference is None or c.low is None or c.high is None:
        return f"is inconclusive against {against}"
    difference = estimate(c.difference, c.low, c.high, c.alpha, metric, _holm(c), _seeds(c))
    said = f"is inconclusive: the difference from {against} is {difference}"
    if c.low * c.high > 0 and c.p_adjusted is not None and c.p_adjusted >= c.alpha:
        said += ", although the interval excludes zero before correction for all comparisons"
    if c.needed_for:
        seen = c.needed_for == abs(c.difference)
        what = "a difference as small as this" if seen else f"{c.needed_for:.2g}"
        seeds = f"more than {MOST_SEEDS:,}" if c.seeds_needed is None else f"about {c.seeds_needed}"
        said += f", and {seeds} seeds would be needed to detect {what}"
    return said


def _none(c: Contrast, against: str, metric: Metric) -> str:
    so_far = "" if c.difference is None else f", and the difference so far is {c.difference:.2g} {_unit(metric)}"
    return f"has no verdict against {against}{so_far}"


def _effect(effect: Effect, metric: Metric) -> str:
    figures = effect.estimate, effect.low, effect.high
    amount = estimate(*figures, effect.alpha, metric, f"Holm-adjusted {chance(effect.p_adjusted)} over the effects")
    if len(effect.factors) == 1:
        level = effect.name.partition("=")[2]
        return f"averaged over the other factors, the effect of {level} is {amount}"
    return f"{effect.name} adds {amount} to the sum of its parts"


def estimate(value: float, low: float, high: float, alpha: float, metric: Metric, *facts: str) -> str:
    """`0.031 bits per byte (95 % CI 0.012 to 0.050, p = 0.004)`, rounded to its uncertainty; `p = 0.004` is a fact."""
    places = decimals((high - low) / 2, value)
    level = f"{100 * (1 - alpha):.4g} % CI {fixed(low, places)} to {fixed(high, places)}"
    return f"{fixed(value, places)} {_unit(metric)} ({', '.join([level, *facts])})"


def _unit(metric: Metric) -> str:
    """What follows a figure in a sentence: `bits per byte`, `in loss`."""
    words = metric.name.replace("_", " ")
    return words if " per " in words else f"in {words}"


def _holm(c: Contrast) -> str:
    return f"Holm-adjusted {chance(c.p_adjusted)}"


def _seeds(c: Contrast) -> str:
    return many(c.pairs, "seed")


def chance(p: float | None) -> str:
    """`p = 0.004`, `p < 0.001`."""
    if p is None:
        return "p not known"
    figure = p_value(p)
    return f"p {figure[0]} {figure[1:]}" if figure[0] in "<>" else f"p = {figure}"


__all__ = ["chance", "estimate", "factor_verdicts"]
