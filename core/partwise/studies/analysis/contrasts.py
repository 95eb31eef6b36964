"""Every variant against the baseline, at the look that has been reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isnan
from statistics import StatisticsError, correlation, mean

import numpy as np

from partwise.errors import InputError
from partwise.studies.results import Look, Results, Variant
from partwise.studies.validity import FEWEST_SEEDS, broken_looks, comparable

from . import notes
from .effects import effect_figures, told_effects
from .findings import Contrast, Effect, Note, Verdict
from .floor import left_floor
from .grid_effects import family
from .pairs import Pair, pair
from .power import detectable_size, needed, seeds_for_equivalence, seeds_for_size
from .statistics import standard_error
from .text_noise import text_error
from .tuned import edge_notes
from .verdicts import Judged, always_diverged, judge, paired_array, withholds


@dataclass(frozen=True)
class Compared:
    """What the study's one family of tests found."""

    contrasts: tuple[Contrast, ...]
    effects: tuple[Effect, ...] = ()
    """Of a grid, at the last look that all of its cells have reached."""


def compare(results: Results) -> Compared:
    """All contrasts, each at the last declared look that it has reached, and the effects of a grid.

    A look uses exactly the first seeds it declares, so that nothing changes between looks, and nothing is said
    before the first. Without declared looks there is one, at the end. Where the metric does not compare the variants,
    every contrast says so, and nothing more.

    Raises:
        InputError: the declared looks do not hold the study's alpha.
    """
    variants = [v for v in results.variants if v.name != results.baseline]
    if not variants:  # the baseline alone
        return Compared(())
    found = {v.name: _unreached(results, v) for v in variants}
    effects: tuple[Effect, ...] = ()
    for number, look in enumerate(_looks(results), 1):
        pairs = [pair(results, v.name, results.seeds[: look.seeds]) for v in variants]
        figures = effect_figures(results, results.seeds[: look.seeds])
        judged = judge(
            [None if p.waiting else paired_array(p.differences) for p in pairs],
            look.alpha,
            results.metric.goal,
            results.metric.smallest_effect,
            [None if p.waiting else p.divergence for p in pairs],
            [one.differences for one in figures],
        )
        effects = told_effects(results, figures, judged.effects, look) or effects
        for i, (variant, both) in enumerate(zip(variants, pairs, strict=True)):
            if not both.waiting:
                found[variant.name] = replace(_reached(results, variant, both, judged, i, look), look=number)
    if not comparable(results.metric.name, results.tokenizer_varies):
        return Compared(tuple(_refused(contrast, results) for contrast in found.values()))
    return Compared(tuple(found.values()), effects)


def _looks(results: Results) -> list[Look]:
    """The declared looks, or the one that every study has: at the end, with all of alpha.

    Raises:
        InputError: they do not hold the study's alpha.
    """
    declared = [(look.seeds, look.alpha) for look in results.looks]
    problems = [message for message, _ in broken_looks(declared, results.alpha, len(results.seeds))]
    if problems:
        raise InputError(f"the looks of the study do not hold its error rate: {'; '.join(problems)}")
    return results.looks or [Look(seeds=len(results.seeds), alpha=results.alpha)]


def _refused(contrast: Contrast, results: Results) -> Contrast:
    """A contrast of which nothing may be claimed, because its metric does not compare the variants."""
    return replace(
        contrast, difference=None, low=None, high=None, low_all=None, high_all=None, p=None, p_adjusted=None,
        p_equivalent=None, seeds_needed=None, needed_for=None, verdict="no verdict",
        notes=(notes.not_comparable(results),),
    )  # fmt: skip


def _unreached(results: Results, variant: Variant) -> Contrast:
    """A contrast before its (first) look: the difference so far, and no claim about it."""
    both = pair(results, variant.name, results.seeds)
    first = results.looks[0].seeds if results.looks else len(results.seeds)
    return replace(_described(results, variant, both), notes=(notes.waiting(first),), alpha=results.alpha)


def _reached(results: Results, variant: Variant, both: Pair, judged: Judged, i: int, look: Look) -> Contrast:
    """A finished contrast, with the verdict that its lost runs leave it."""
    tested, divergence = len(both.seeds) >= FEWEST_SEEDS, both.divergence
    found: Verdict = judged.verdict[i].item()
    verdict, said = found, []
    ruled = always_diverged(both.diverged, both.done)
    if ruled is not None and found == "inconclusive":
        verdict = ruled
        said.append(notes.always_diverged(both, ruled, len(results.variants) - 1))
    elif not tested and found == "inconclusive":
        verdict = "no verdict"
        said.append(notes.too_few_pairs(len(both.seeds)))
    if verdict == "equivalent" and not _left_floor(results, variant, both):
        said.append(notes.nothing_learned(results.metric))
        verdict = "inconclusive"
    if withholds(verdict, both.lost):
        said.append(notes.withheld(verdict, both.lost))
        verdict = "inconclusive"
    if any(both.lost):
        said.append(notes.lost_runs(both, look.seeds))
    if tested:
        said.extend(_sameness(both))
    if both.rounding and divergence is None and verdict in ("better", "worse"):
        verdict = "inconclusive"
    said += edge_notes(results, variant)
    told = replace(
        _described(results, variant, both),
        low=_number(judged.tested.low[i]),
        high=_number(judged.tested.high[i]),
        p=_number(judged.tested.p[i]),
        p_adjusted=float(judged.tested.p_adjusted[i]) if tested or divergence is not None else None,
        p_equivalent=float(judged.p_equivalent[i]) if tested and results.metric.smallest_effect is not None else None,
        verdict=verdict,
        notes=tuple(said),
        alpha=look.alpha,
        p_divergence=None if divergence is None else abs(divergence),
        low_all=_number(judged.tested.low_all[i]),
        high_all=_number(judged.tested.high_all[i]),
        text_error=text_error(results, variant.name, both.seeds, results.baseline),
    )
    return _with_seeds(results, told, both)


def _left_floor(results: Results, variant: Variant, both: Pair) -> bool:
    """Whether either side knows more than how frequent each token is."""
    base = next(v for v in results.variants if v.name == results.baseline)
    sides = ((both.variant, variant.floor), (both.baseline, base.floor))
    return any(left_floor(mean(values), floor, results.metric) for values, floor in sides)


def _with_seeds(results: Results, contrast: Contrast, both: Pair) -> Contrast:
    """What these seeds can find and, if inconclusive, how many would have told; all from the one paired spread."""
    sd, alpha, seeds = both.spread, contrast.alpha / family(results), len(both.seeds)
    if not sd or seeds < FEWEST_SEEDS or contrast.verdict == "no verdict":
        return contrast
    contrast = replace(contrast, sd=sd, detectable=detectable_size(seeds, alpha) * sd)
    smallest, seen = results.metric.smallest_effect, abs(mean(both.differences))
    # Not where a verdict was found and withheld.
    if contrast.verdict != "inconclusive" or contrast.has("withheld", "floor", "no_difference", "rounding"):
        return contrast
    effect, enough = seen, None if smallest is None else seeds_for_size(smallest / sd, alpha)
    if smallest is not None and (enough is None or enough > seeds):
        effect = smallest
    found = needed(lambda sd: seeds_for_size(effect / sd, alpha), sd, seeds)
    contrast = replace(contrast, needed_for=effect, seeds_needed=found.seeds, needed=found)
    if smallest is None:
        return contrast
    level = contrast.alpha / (len(results.variants) - 1)
    return replace(contrast, equivalence=needed(lambda sd: seeds_for_equivalence(smallest / sd, level), sd, seeds))


def _sameness(both: Pair) -> Iterator[Note]:
    """What there is to say where the differences do not differ from each other, or from nothing."""
    if not any(both.differences):
        yield notes.no_difference(len(both.seeds))
    elif both.rounding:
        yield notes.rounding(both)
    elif standard_error(np.array(both.differences)) == 0:
        yield notes.no_spread()


def _described(results: Results, variant: Variant, both: Pair) -> Contrast:
    """What is seen, before anything is claimed about it."""
    base = next(v for v in results.variants if v.name == results.baseline)
    varied = [factor for factor, level in variant.levels.items() if base.levels.get(factor) != level]
    factor = varied[0] if len(varied) == 1 else None
    return Contrast(
        variant=variant.name,
        factor=factor,
        level=variant.levels[factor] if factor else variant.name,
        pairs=len(both.seeds),
        seeds=both.seeds,
        differences=both.differences,
        difference=mean(both.differences) if both.seeds else None,
        low=None,
        high=None,
        p=None,
        p_adjusted=None,
        p_equivalent=None,
        correlation=_correlation(both),
        seeds_needed=None,
        verdict="no verdict",
    )


def _correlation(both: Pair) -> float | None:
    if len(both.seeds) < FEWEST_SEEDS:
        return None
    try:
        return correlation(both.variant, both.baseline)
    except StatisticsError:  # one of them does not vary
        return None


def _number(value: float) -> float | None:
    return None if isnan(value) else float(value)


__all__ = ["Compared", "compare"]
