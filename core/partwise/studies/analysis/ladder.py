"""A ladder of sizes: from what each size says to what is said over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast

import numpy as np

from partwise.studies.results import Look, Results
from partwise.wording import joined

from .contrasts import Question
from .findings import Contrast, Note
from .ladder_findings import LadderFinding, LadderVerdict, Slope, SpeedUp
from .ladder_verdicts import at_every_size, ladder_words, lost_half, slopes
from .over_texts import TextsQuestion
from .speed_up import Shift, shift_at
from .statistics import Array
from .verdicts import Tested, paired_array

_LIMITS = ("edge", "floor", "withheld", "lost_runs", "always_diverged", "too_few_seeds", "few_texts")
"""Kinds of a contrast's notes that a verdict over the sizes must not hide."""


@dataclass(frozen=True)
class Rung:
    """A variant at all sizes, on one text or over all of them."""

    asked: tuple[Question | TextsQuestion, ...]
    """At each size, from small to large."""
    compute: Array
    """log10 of training FLOPs of the baseline at each size."""
    own_compute: Array
    """Of the variant."""

    @cached_property
    def waiting(self) -> bool:
        return any(one.waiting for one in self.asked)

    @cached_property
    def units(self) -> list[int | str]:
        """Seeds, or texts, that are done at every size."""
        first, *others = [one.by_unit for one in self.asked]
        return [unit for unit in first if all(unit in of for of in others)]

    @cached_property
    def figures(self) -> Array:
        """(variant or baseline, sizes, units)."""
        units = self.units
        found = np.array([[one.by_unit[unit] for unit in units] for one in self.asked], dtype=float)
        return np.moveaxis(found.reshape(len(self.asked), len(units), 2), -1, 0)

    @cached_property
    def slopes(self) -> Array | None:
        """Of each unit; None while runs are waiting, with too few units, or where compute does not tell sizes apart."""
        if self.waiting or not np.ptp(self.compute) or len(self.units) < 2:
            return None
        variant, base = self.figures
        return paired_array(slopes(variant - base, self.compute).tolist())

    @cached_property
    def lost_half(self) -> Array:
        """p that less than half of the difference at each size is left at the largest; 1 where that is not tested."""
        if self.slopes is None:
            return np.ones(len(self.asked))
        variant, base = self.figures
        return lost_half(variant - base)


def rungs(results: Results, asked: Sequence[Question | TextsQuestion]) -> list[Rung]:
    """Of every variant beside the baseline, in the order of the questions; none without sizes."""
    if not results.sizes:
        return []
    compute, grouped = compute_of(results), dict[tuple[str, str | None], list[Question | TextsQuestion]]()
    for one in asked:
        if one.against is None:
            grouped.setdefault(_named(one), []).append(one)
    text = results.texts[0] if results.texts else None

    def log_compute(variant: str, of: str | None) -> Array:
        return np.log10([compute[variant, size, text if of is None else of] for size in results.sizes])

    return [
        Rung(tuple(each), log_compute(results.baseline, of), log_compute(variant, of))
        for (variant, of), each in grouped.items()
    ]


def _named(asked: Question | TextsQuestion) -> tuple[str, str | None]:
    """The variant, and the text that is asked about; None for all."""
    one = asked.each[0] if isinstance(asked, TextsQuestion) else asked
    return one.variant.name, None if isinstance(asked, TextsQuestion) else one.variant.text


def compute_of(results: Results) -> dict[tuple[str, str | None, str | None], float]:
    """(variant, size, text) -> training FLOPs of a run; of all by 6 x parameters x tokens if any was not counted."""
    counted = all(v.training_flops for v in results.variants)

    return {
        (v.name, v.size, v.text): float(v.training_flops or 0)
        if counted
        else 6.0 * max(v.parameters, 1) * max(v.tokens, 1)
        for v in results.variants
    }


def told_ladder(
    results: Results,
    steps: Sequence[Rung],
    found: Mapping[tuple[str, str | None, str | None], Contrast],
    tested: Tested,
    look: Look,
) -> list[LadderFinding]:
    """Of every variant all of whose sizes have reached the look.

    Args:
        found: contrasts by variant, size and text.
        tested: the slopes, as part of the study's one family.
    """
    if not steps:
        return []
    names = [_named(step.asked[0]) for step in steps]
    contrasts = [[found[variant, size, text] for size in results.sizes] for variant, text in names]
    mean, p = np.array([[_evidence(c) for c in of] for of in contrasts]).transpose(2, 0, 1)
    waiting = np.array([step.waiting for step in steps])
    every = at_every_size(mean, np.where(waiting[:, None], 1.0, p))
    lost = np.array([step.lost_half for step in steps])
    words = ladder_words(
        np.array([[c.verdict for c in of] for of in contrasts]), every, lost, tested.mean, tested.p_adjusted,
        results.metric.goal, look.alpha,
    )  # fmt: skip
    told = []
    for i, step in enumerate(steps):
        if not step.waiting:
            slope = _slope(step, tested, i)
            told.append(_finding(results, step, contrasts[i], str(words[i]), float(every[i]), slope, look))
    return told


def _evidence(contrast: Contrast) -> tuple[float, float]:
    """Difference and p of what may support a claim on every size."""
    barred = contrast.verdict in ("equivalent", "no verdict") or contrast.has("withheld", "rounding")
    if barred or contrast.difference is None or contrast.p is None:
        return 0.0, 1.0
    return contrast.difference, contrast.p


def _slope(step: Rung, tested: Tested, i: int) -> Slope | None:
    if step.slopes is None:
        return None
    mean, low, high, p, adjusted = (
        float(of[i]) for of in (tested.mean, tested.low, tested.high, tested.p, tested.p_adjusted)
    )
    return Slope(mean, low, high, p, adjusted, len(step.units))


def _finding(
    results: Results,
    step: Rung,
    contrasts: Sequence[Contrast],
    word: str,
    every: float,
    slope: Slope | None,
    look: Look,
) -> LadderFinding:
    verdict = cast("LadderVerdict", "no verdict" if any(c.verdict == "no verdict" for c in contrasts) else word)
    verdicts = [c.verdict for c in contrasts]
    claimed = [v for v in verdicts if v in ("better", "worse")]
    one_way = claimed[0] if len(set(claimed)) == 1 else None
    good = -1 if results.metric.goal == "min" else 1
    steep = slope is not None and slope.p_adjusted < look.alpha
    trend: Literal["grows", "shrinks"] | None = None
    if slope is not None and steep and one_way is not None:
        trend = "grows" if slope.estimate * good * (1 if one_way == "better" else -1) > 0 else "shrinks"
    _, text = _named(step.asked[0])
    return LadderFinding(
        variant=contrasts[0].variant,
        factor=contrasts[0].factor,
        level=contrasts[0].level,
        text=text,
        contrasts=tuple(contrasts),
        compute=tuple(float(x) for x in 10**step.compute),
        verdict=verdict,
        direction=one_way if verdict in ("holds", "fades", "grows", "inconclusive") else None,
        slope=slope,
        steep=steep,
        trend=trend,
        p_every=every,
        speed_ups=speed_ups(results, step, look.alpha),
        notes=tuple(_notes(contrasts)),
    )


def _notes(contrasts: Sequence[Contrast]) -> Iterator[Note]:
    """What limits the verdict at one size or another, each thing once."""
    places: dict[Note, list[str]] = {}
    for contrast in contrasts:
        for note in contrast.notes:
            if note.kind in _LIMITS:
                places.setdefault(note, []).append(contrast.size or "")
    for note, sizes in places.items():
        yield Note(note.kind, f"at {joined(sizes)}: {note.text}")


def speed_ups(results: Results, step: Rung, alpha: float) -> tuple[SpeedUp, ...]:
    """At every size but the smallest; none where compute does not rise from size to size, or with one unit."""
    rising = all((np.diff(of) > 0).all() for of in (step.compute, step.own_compute))
    if not rising or len(step.units) < 2:
        return ()
    variant, base = comparable_figures(results, step)
    told = []
    for at, size in list(enumerate(results.sizes))[1:]:
        told.append(_speed_up(size, shift_at(base, variant, step.compute, step.own_compute, at, alpha)))
    return tuple(told)


def _speed_up(size: str, shift: Shift) -> SpeedUp:
    factor, low, high = (
        float(10**end) if np.isfinite(end) else None for end in (shift.estimate, shift.low, shift.high)
    )
    beyond: Literal["more", "less"] | None = None
    if factor is None:
        beyond = "more" if shift.estimate > 0 else "less"
    return SpeedUp(size, factor, low, high, 10**shift.least, 10**shift.most, beyond)


def comparable_figures(results: Results, step: Rung) -> Array:
    """Figures as speed-ups are read off them: the less the better, and logs of what is above zero."""
    if results.metric.goal == "max":
        return -step.figures
    return np.log(step.figures) if (step.figures > 0).all() else step.figures


__all__ = ["Rung", "compute_of", "rungs", "speed_ups", "told_ladder"]
