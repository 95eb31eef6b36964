"""Verdicts in words: one clause per variant or effect, gathered by factor."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from partwise.rendering.numbers import decimals, signed
from partwise.studies.results import Metric, Results
from partwise.wording import many

from .findings import Contrast, Effect, FactorVerdict
from .grid_sentences import company_of, effect_clause, grid_headline
from .phrases import adjusted, chance, estimate, seeds_in_words, unit
from .statistics import paired_t


def factor_verdicts(
    results: Results, contrasts: Iterable[Contrast], effects: Iterable[Effect]
) -> tuple[FactorVerdict, ...]:
    """What is said about each factor of which anything is known.

    A variant that differs in several factors speaks under its own name. In a grid such variants are left to the
    effects: main effects stand with their factor, the others under `interactions`.
    """
    effects, grid = list(effects), results.design in ("grid", "fractional")
    compared: dict[str, list[Contrast]] = {}
    clauses: dict[str, list[str]] = {factor: [] for factor in results.factors}
    for contrast in contrasts:
        if results.design != "fractional" and (contrast.factor is not None or not grid):
            factor = contrast.factor or contrast.variant
            compared.setdefault(factor, []).append(contrast)
            clauses.setdefault(factor, []).append(contrast_clause(contrast, results))
    for effect in effects:
        clauses.setdefault(_under(effect), []).append(effect_clause(effect, results))
    return tuple(
        FactorVerdict(
            factor,
            tuple(compared.get(factor, ())),
            tuple(said),
            grid_headline(results, compared.get(factor, []), [e for e in effects if _under(e) == factor])
            if grid
            else "",
        )
        for factor, said in clauses.items()
        if said
    )


def pair_verdicts(results: Results, pairs: Iterable[Contrast]) -> tuple[FactorVerdict, ...]:
    """What is said of variants beside others than the baseline, by whom they are compared with."""
    clauses: dict[str, list[str]] = {}
    for one in pairs:
        beside = results.model_copy(update={"baseline": one.against})
        place = " on ".join(part for part in (one.size, one.text) if part)
        clauses.setdefault(one.against or "", []).append(
            f"{f'at {place}, ' if place else ''}{contrast_clause(one, beside)}"
        )
    return tuple(FactorVerdict(f"against {name}", (), tuple(said)) for name, said in clauses.items())


def _under(effect: Effect) -> str:
    return effect.factors[0] if len(effect.factors) == 1 else "interactions"


def contrast_clause(contrast: Contrast, results: Results) -> str:
    """`alibi is worse than learned: the difference is +0.031 bits per byte (95 % CI ...)`."""
    base = next(v for v in results.variants if v.name == results.baseline)
    named = base.levels.get(contrast.factor or "", "the baseline")
    against = named if contrast.against is None else contrast.against
    level = contrast.level if contrast.against is None else contrast.variant
    tell = {
        "better": _different,
        "worse": _different,
        "equivalent": _equivalent,
        "inconclusive": _inconclusive,
        "no verdict": _none,
    }[contrast.verdict]
    note = f" [{contrast.note}]" if contrast.notes else ""
    company = company_of(results, contrast) if contrast.against is None else ""
    return f"{f'{company}, ' if company else ''}{level} {tell(contrast, against, results.metric)}{note}"


def _different(c: Contrast, against: str, metric: Metric) -> str:
    if any(note.kind == "always_diverged" for note in c.notes):
        side, other = ("its", "the baseline's") if c.verdict == "worse" else ("the baseline's", "its own")
        if c.has("censored"):
            return f"is {c.verdict} than {against}: none of {side} runs reached the target, and all of {other} did"
        return f"is {c.verdict} than {against}: all of {side} runs diverged, and none of {other}"
    if c.p_divergence is not None and (c.p is None or c.p_divergence < c.p):
        if c.has("censored"):
            when = "later or less often" if c.verdict == "worse" else "sooner or more often"
            figures = f"rank test {chance(c.p_divergence)}, {_holm(c)}"
            return f"is {c.verdict} than {against}: it reaches the target {when} ({figures})"
        share = f"a {'larger' if c.verdict == 'worse' else 'smaller'} share of its runs diverged"
        return f"is {c.verdict} than {against}: {share} (Fisher's exact {chance(c.p_divergence)}, {_holm(c)})"
    assert c.difference is not None
    assert c.low is not None
    assert c.high is not None
    if c.has("no_spread"):
        value = f"{signed(c.difference, decimals(None, c.difference))} {unit(metric)}"
        return f"is {c.verdict} than {against}: the difference is {value} on each of {_seeds(c)}"
    difference = estimate(c.difference, c.low, c.high, c.alpha, metric, _holm(c), _seeds(c))
    said = f"is {c.verdict} than {against}: the difference is {difference}"
    smallest = metric.smallest_effect
    if smallest is not None and min(abs(c.low), abs(c.high)) < smallest:
        said += f", though perhaps by less than the {smallest:g} that matters"
    return said


def _equivalent(c: Contrast, against: str, metric: Metric) -> str:
    if c.has("no_difference", "rounding", "no_spread"):
        return f"is equivalent to {against} within {metric.smallest_effect:g}: {_without_spread(c, metric)}"
    level = 2 * c.alpha  # of the interval that two one-sided tests at alpha correspond to
    paired = paired_t(np.array(c.differences), level)
    figures = float(paired.mean), float(paired.low), float(paired.high)
    p = f"{adjusted(c.p_equivalent, c.correction)} for equivalence"
    difference = estimate(*figures, level, metric, p, _seeds(c))
    said = f"is equivalent to {against} within {metric.smallest_effect:g}: the difference is {difference}"
    if c.p_adjusted is not None and c.p_adjusted < c.alpha:
        said += f", and there is a difference ({_holm(c)}), smaller than what was declared to matter"
    return said


def _inconclusive(c: Contrast, against: str, metric: Metric) -> str:
    if c.has("censored"):
        return f"is inconclusive against {against} (rank test {chance(c.p_divergence)}, {_holm(c)})"
    if c.difference is None or c.low is None or c.high is None:
        return f"is inconclusive against {against}"
    if c.has("no_difference", "rounding", "no_spread"):
        return f"is inconclusive: {_without_spread(c, metric, f' from {against}')}"
    difference = estimate(c.difference, c.low, c.high, c.alpha, metric, _holm(c), _seeds(c))
    said = f"is inconclusive: the difference from {against} is {difference}"
    if c.low * c.high > 0 and c.p_adjusted is not None and c.p_adjusted >= c.alpha:
        said += ", although the interval excludes zero before correction for all comparisons"
    if c.needed_for and c.needed is not None:
        seen = c.needed_for == abs(c.difference)
        what = "a difference as small as this" if seen else f"{c.needed_for:.2g}"
        said += f", and {seeds_in_words(c.needed)} would be needed to detect {what}"
    if c.equivalence is not None:
        said += f", {seeds_in_words(c.equivalence)} to show equivalence where there is none"
    return said


def _without_spread(c: Contrast, metric: Metric, source: str = "") -> str:
    """In words what figures, an interval and a p would tell wrongly."""
    assert c.difference is not None
    if c.has("no_difference"):
        return f"there is no difference{source}"
    if c.has("rounding"):
        return f"the difference{source} is no more than rounding"
    value = f"{signed(c.difference, decimals(None, c.difference))} {unit(metric)}"
    return f"the difference{source} is {value} on each of {_seeds(c)}"


def _none(c: Contrast, against: str, metric: Metric) -> str:
    so_far = "" if c.difference is None else f", and the difference so far is {_rough(c.difference)} {unit(metric)}"
    return f"has no verdict against {against}{so_far}"


def _rough(difference: float) -> str:
    """To two digits."""
    return signed(difference, decimals(abs(difference)))


def _holm(c: Contrast) -> str:
    return adjusted(c.p_adjusted, c.correction)


def _seeds(c: Contrast) -> str:
    return many(c.pairs, c.unit)


__all__ = ["contrast_clause", "factor_verdicts", "pair_verdicts"]
