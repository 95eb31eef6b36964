"""Every variant against the baseline at one setting of a study, at the look that has been reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan
from statistics import StatisticsError, correlation, fmean

import numpy as np

from partwise.studies.results import Look, Results, Variant
from partwise.studies.validity import FEWEST_SEEDS

from . import notes
from .family import Family, further_pairs
from .findings import Contrast, Note, Verdict
from .floor import left_floor
from .pairs import Pair, pair
from .power import detectable_size, needed, seeds_for_equivalence, seeds_for_size
from .statistics import Array, standard_error, widened
from .text_noise import text_error
from .tuned import choice_error, edge_notes
from .verdicts import Judged, always_diverged, paired_array, withholds


@dataclass(frozen=True)
class Question:
    """What a variant's difference from the baseline is, at one setting of the study and one look."""

    results: Results
    """Of the setting."""
    variant: Variant
    both: Pair
    against: str | None = None
    """The variant that stands for the baseline, if it is another."""

    @property
    def waiting(self) -> bool:
        return self.both.waiting

    @cached_property
    def differences(self) -> Array | None:
        """To be tested; None while runs are waiting, or with too few."""
        found = None if self.waiting else paired_array(self.both.differences)
        return None if found is None else widened(found, self.widening)

    @cached_property
    def widening(self) -> float:
        """Of what is tested, where all runs share one choice of what was tuned."""
        shared = self.results.shared_choice
        return 1.0 if shared is None else shared.widening(len(self.both.seeds))

    @cached_property
    def divergence(self) -> float | None:
        return None if self.waiting else self.both.divergence

    @cached_property
    def by_unit(self) -> dict[int | str, tuple[float, float]]:
        """Seed -> figure of the variant, and of the baseline."""
        each = widened(np.array([self.both.variant, self.both.baseline]), self.widening)
        return dict(zip(self.both.seeds, map(tuple, each.T.tolist()), strict=True))

    def told(self, judged: Judged, i: int, look: Look, number: int, family: Family) -> Contrast:
        """What is found of it, as the i-th of the family."""
        return replace(_reached(self, judged, i, look, family), look=number)


def questions(results: Results, seeds: Sequence[int]) -> list[Question]:
    """Of every variant of one setting but the baseline, on some seeds."""
    others = [v for v in results.variants if v.name != results.baseline]
    if results.design == "fractional":  # whose effects are tested, and no single combination
        return []
    found = [Question(results, v, pair(results, v.name, [*seeds])) for v in others]
    for against, names in further_pairs(results).items():
        beside = results.model_copy(update={"baseline": against})
        found += [Question(beside, v, pair(beside, v.name, [*seeds]), against) for v in others if v.name in names]
    return found


def untested(results: Results) -> list[Contrast]:
    """The variants of a fractional design beside its baseline, of which nothing is claimed."""
    others = [v for v in results.variants if v.name != results.baseline]
    asked = [Question(results, v, pair(results, v.name, results.seeds)) for v in others]
    return [replace(described(one), notes=(notes.untested(),), alpha=results.alpha, look=1) for one in asked]


def unasked(results: Results) -> list[Contrast]:
    """The same before the (first) look: differences so far, and no claim about them."""
    first = results.looks[0].seeds if results.looks else len(results.seeds)
    return [
        replace(described(one), notes=(notes.waiting(first),), alpha=results.alpha)
        for one in questions(results, results.seeds)
    ]


def refused(contrast: Contrast, results: Results) -> Contrast:
    """A contrast of which nothing may be claimed, because its metric does not compare the variants."""
    return replace(
        contrast, difference=None, low=None, high=None, low_all=None, high_all=None, p=None, p_adjusted=None,
        p_equivalent=None, seeds_needed=None, needed_for=None, verdict="no verdict",
        notes=(notes.not_comparable(results),),
    )  # fmt: skip


def _reached(asked: Question, judged: Judged, i: int, look: Look, family: Family) -> Contrast:
    """A finished contrast, with the verdict that its lost runs leave it."""
    results, variant, both = asked.results, asked.variant, asked.both
    tested, divergence = len(both.seeds) >= FEWEST_SEEDS, both.divergence
    found: Verdict = judged.verdict[i].item()
    verdict, said = found, []
    ruled = always_diverged(both.diverged, both.done)
    if ruled is not None and found == "inconclusive":
        verdict = ruled
        said.append(notes.always_diverged(both.diverged, both.done, ruled, family.contrasts, both.censored))
    elif not tested and found == "inconclusive" and not both.censored:
        verdict = "no verdict"
        said.append(notes.too_few_pairs(len(both.seeds)))
    if verdict == "equivalent" and not has_left_floor(results, variant, both):
        said.append(notes.nothing_learned(results.metric))
        verdict = "inconclusive"
    if withholds(verdict, both.lost):
        said.append(notes.withheld(verdict, both.lost))
        verdict = "inconclusive"
    if both.censored:
        said.append(notes.never_reached(both, results.metric))
    if any(both.lost):
        said.append(notes.lost_runs(both, look.seeds))
    if tested:
        said.extend(_sameness(both))
    if both.rounding and divergence is None and verdict in ("better", "worse"):
        verdict = "inconclusive"
    said += edge_notes(results, variant)
    told = replace(
        with_figures(described(asked), judged, i, look),
        p_adjusted=float(judged.tested.p_adjusted[i]) if tested or divergence is not None else None,
        p_equivalent=float(judged.p_equivalent[i]) if tested and results.metric.smallest_effect is not None else None,
        verdict=verdict,
        notes=tuple(said),
        p_divergence=None if divergence is None else abs(divergence),
        text_error=text_error(results, variant.name, both.seeds, results.baseline),
        tuning_error=choice_error(results, both.spread),
    )
    return _with_seeds(asked, told, family)


def with_figures(contrast: Contrast, judged: Judged, i: int, look: Look) -> Contrast:
    """With the intervals and the p of the i-th test."""
    t = judged.tested
    low, high, p, low_all, high_all = (_number(of[i]) for of in (t.low, t.high, t.p, t.low_all, t.high_all))
    return replace(contrast, low=low, high=high, p=p, low_all=low_all, high_all=high_all, alpha=look.alpha)


def has_left_floor(results: Results, variant: Variant, both: Pair) -> bool:
    """Whether either side knows more than how frequent each token is."""
    base = next(v for v in results.variants if v.name == results.baseline)
    sides = ((both.variant, variant.floor), (both.baseline, base.floor))
    return any(left_floor(fmean(values), floor, results.metric) for values, floor in sides)


def _with_seeds(asked: Question, contrast: Contrast, family: Family) -> Contrast:
    """What these seeds can find and, if inconclusive, how many would have told; all from the one paired spread.

    With one choice of what was tuned for all runs no number of seeds is enough for what that choice leaves open.
    """
    results, both = asked.results, asked.both
    sd, alpha, seeds = both.spread, contrast.alpha / family.tests, len(both.seeds)
    if not sd or seeds < FEWEST_SEEDS or contrast.verdict == "no verdict":
        return contrast
    contrast = replace(contrast, sd=sd, detectable=detectable_size(seeds, alpha) * sd * asked.widening)
    smallest, seen = results.metric.smallest_effect, abs(fmean(both.differences))
    # Not where a verdict was found and withheld.
    if (
        results.shared_choice is not None
        or contrast.verdict != "inconclusive"
        or contrast.has("withheld", "floor", "no_difference", "rounding")
    ):
        return contrast
    effect, enough = seen, None if smallest is None else seeds_for_size(smallest / sd, alpha)
    if smallest is not None and (enough is None or enough > seeds):
        effect = smallest
    found = needed(lambda sd: seeds_for_size(effect / sd, alpha), sd, seeds)
    contrast = replace(contrast, needed_for=effect, seeds_needed=found.seeds, needed=found)
    if smallest is None:
        return contrast
    level = contrast.alpha / family.contrasts
    return replace(contrast, equivalence=needed(lambda sd: seeds_for_equivalence(smallest / sd, level), sd, seeds))


def _sameness(both: Pair) -> Iterator[Note]:
    """What there is to say where the differences do not differ from each other, or from nothing."""
    if not any(both.differences):
        yield notes.no_difference(len(both.seeds))
    elif both.rounding:
        yield notes.rounding(both)
    elif standard_error(np.array(both.differences)) == 0:
        yield notes.no_spread()


def described(asked: Question) -> Contrast:
    """What is seen, before anything is claimed about it."""
    results, variant, both = asked.results, asked.variant, asked.both
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
        difference=fmean(both.differences) if both.seeds else None,
        low=None,
        high=None,
        p=None,
        p_adjusted=None,
        p_equivalent=None,
        correlation=_correlation(both),
        seeds_needed=None,
        verdict="no verdict",
        size=variant.size,
        text=variant.text,
        against=asked.against,
        correction=results.correction,
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


__all__ = ["Question", "described", "has_left_floor", "questions", "refused", "unasked", "untested", "with_figures"]
