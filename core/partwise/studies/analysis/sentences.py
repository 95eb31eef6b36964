"""Verdicts in words: one sentence per factor."""

from __future__ import annotations

from collections.abc import Iterable

from partwise.studies.results import Results
from partwise.wording import many

from .findings import Contrast, Effect
from .metrics import unit
from .power import MOST_SEEDS
from .wording import chance, interval


def sentences(results: Results, contrasts: Iterable[Contrast], effects: Iterable[Effect]) -> dict[str, str]:
    """Factor -> its verdicts, one clause per variant, parted by semicolons and by nothing else.

    A variant that differs in several factors speaks under its own name. In a grid such variants are left to the
    effects: main effects stand with their factor, the others under `interactions`.
    """
    said: dict[str, list[str]] = {factor: [] for factor in results.factors}
    for contrast in contrasts:
        if contrast.factor is not None or results.design != "grid":
            said.setdefault(contrast.factor or contrast.variant, []).append(verdict(contrast, results))
    for effect in effects:
        key = effect.factors[0] if len(effect.factors) == 1 else "interactions"
        said.setdefault(key, []).append(_effect(effect, results))
    return {key: f"{key}: {'; '.join(clauses)}." for key, clauses in said.items() if clauses}


def verdict(contrast: Contrast, results: Results) -> str:
    """One contrast as a clause: `alibi is worse than learned by 0.031 bits per byte (95 % CI ...)`."""
    base = next(v for v in results.variants if v.name == results.baseline)
    against = base.levels.get(contrast.factor or "", "the baseline")
    tell = {
        "better": _different,
        "worse": _different,
        "equivalent": _equivalent,
        "inconclusive": _inconclusive,
        "no verdict": _none,
    }[contrast.verdict]
    return f"{contrast.level} {tell(contrast, against, results)}" + (f" [{contrast.note}]" if contrast.note else "")


def _different(c: Contrast, against: str, results: Results) -> str:
    if c.p_divergence is not None and (c.p is None or c.p_divergence < c.p):
        share = f"a {'larger' if c.verdict == 'worse' else 'smaller'} share of its runs diverged"
        return f"is {c.verdict} than {against}: {share} (Fisher's exact {chance(c.p_divergence)}, {_holm(c)})"
    towards_more = (results.metric.goal == "max") == (c.verdict == "better")
    said = f"is {c.verdict} than {against} by {_figures(c, results, turn=1 if towards_more else -1)}, {_tested(c)})"
    smallest = results.metric.smallest_effect
    if smallest is not None and c.low is not None and c.high is not None and min(abs(c.low), abs(c.high)) < smallest:
        said += f", though perhaps by less than the {smallest:g} that matters"
    return said


def _equivalent(c: Contrast, against: str, results: Results) -> str:
    import numpy as np

    from .paired import paired_t

    smallest, level = results.metric.smallest_effect, 2 * c.alpha  # two one-sided tests at alpha
    paired = paired_t(np.array(c.differences), level)
    shown = interval(float(paired.mean), float(paired.low), float(paired.high), level, unit(results.metric))
    said = (
        f"is equivalent to {against} within {smallest:g}: the difference is {shown}, "
        f"Holm-adjusted {chance(c.p_equivalent)} for equivalence, {many(c.pairs, 'seed')})"
    )
    if c.p_adjusted is not None and c.p_adjusted < c.alpha:
        said += f", and there is a difference ({_holm(c)}), smaller than what was declared to matter"
    return said


def _inconclusive(c: Contrast, against: str, results: Results) -> str:
    if c.difference is None or c.low is None or c.high is None:
        return f"is inconclusive against {against}"
    said = f"is inconclusive: the difference from {against} is {_figures(c, results)}, {_tested(c)})"
    if c.low * c.high > 0 and c.p_adjusted is not None and c.p_adjusted >= c.alpha:
        said += ", which leaves out zero only until corrected for all comparisons"
    if c.needed_for:
        seen = c.needed_for == abs(c.difference)
        what = "a difference as small as this" if seen else f"{c.needed_for:.2g}"
        seeds = f"more than {MOST_SEEDS:,}" if c.seeds_needed is None else f"about {c.seeds_needed}"
        said += f", and {seeds} seeds would be needed to detect {what}"
    return said


def _none(c: Contrast, against: str, results: Results) -> str:
    so_far = (
        f", and the difference so far is {c.difference:.2g} {unit(results.metric)}" if c.difference is not None else ""
    )
    return f"has no verdict against {against}{so_far}"


def _figures(c: Contrast, results: Results, turn: int = 1) -> str:
    if c.difference is None or c.low is None or c.high is None:
        return "an unknown amount ("
    low, high = sorted((turn * c.low, turn * c.high))
    return interval(turn * c.difference, low, high, c.alpha, unit(results.metric))


def _tested(c: Contrast) -> str:
    return f"{_holm(c)}, {many(c.pairs, 'seed')}"


def _holm(c: Contrast) -> str:
    return f"Holm-adjusted {chance(c.p_adjusted)}"


def _effect(effect: Effect, results: Results) -> str:
    shown = interval(effect.estimate, effect.low, effect.high, effect.alpha, unit(results.metric))
    p = f"Holm-adjusted {chance(effect.p_adjusted)} over the effects)"
    if len(effect.factors) == 1:
        level = effect.name.partition("=")[2]
        return f"averaged over the other factors, the effect of {level} is {shown}, {p}"
    return f"{effect.name} adds {shown}, {p} to the sum of its parts"


__all__ = ["sentences", "verdict"]
