"""A variant's difference over several texts, each of which is one draw from all the texts that there might be.

The difference on a text is the mean over its seeds, and a t-test over the texts asks whether it would be found on other
texts (df = texts - 1): seeds make a text's own figure firmer, and say nothing about another text. With fewer than three
texts there is no such test, and each text speaks for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from statistics import fmean, stdev

from partwise.studies.results import Look
from partwise.studies.validity import FEWEST_TEXTS

from . import notes
from .contrasts import Question, described, has_left_floor, with_figures
from .family import Family
from .findings import Contrast, Note, Verdict
from .statistics import Array, divergence_p
from .text_noise import text_error
from .verdicts import Judged, always_diverged, paired_array, withholds


@dataclass(frozen=True)
class TextsQuestion:
    """What a variant's difference from the baseline is, over all texts, at one size and one look."""

    each: tuple[Question, ...]
    """On each text."""

    @property
    def against(self) -> str | None:
        """The variant that stands for the baseline, if it is another."""
        return self.each[0].against

    @cached_property
    def waiting(self) -> bool:
        return any(one.waiting for one in self.each)

    @cached_property
    def censored(self) -> bool:
        """Whether a run never reached the metric's target: then there are no means that could be compared."""
        return any(one.both.censored for one in self.each)

    @cached_property
    def by_unit(self) -> dict[int | str, tuple[float, float]]:
        """Text -> mean figure of the variant, and of the baseline, on the seeds that both finished."""
        done = [] if self.censored else [one for one in self.each if one.both.seeds]
        return {one.variant.text or "": (fmean(one.both.variant), fmean(one.both.baseline)) for one in done}

    @cached_property
    def per_text(self) -> tuple[float, ...]:
        return tuple(variant - base for variant, base in self.by_unit.values())

    @cached_property
    def differences(self) -> Array | None:
        return None if self.waiting else paired_array(self.per_text)

    def counts(self, what: str) -> tuple[int, int]:
        """Runs of the variant, of the baseline, over all texts: `diverged`, `lost`, `done`."""
        pairs = [getattr(one.both, what) for one in self.each]
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

    @cached_property
    def divergence(self) -> float | None:
        (variant, base), (done, base_done) = self.counts("diverged"), self.counts("done")
        return None if self.waiting else divergence_p((variant, done), (base, base_done))

    def unasked(self) -> Contrast:
        """Before the (first) look."""
        first = self.each[0].results
        seeds = first.looks[0].seeds if first.looks else len(first.seeds)
        return replace(self._described(), notes=(notes.waiting(seeds),), alpha=first.alpha)

    def _described(self) -> Contrast:
        found, units = described(self.each[0]), self.per_text
        return replace(
            found,
            pairs=len(units),
            seeds=(),
            differences=units,
            difference=fmean(units) if units else None,
            correlation=None,
            text=None,
            unit="text",
        )

    def told(self, judged: Judged, i: int, look: Look, number: int, family: Family) -> Contrast:
        """What is found of it, as the i-th of the family."""
        units, lost = self.per_text, self.counts("lost")
        tested, divergence = len(units) >= FEWEST_TEXTS, self.divergence
        found: Verdict = judged.verdict[i].item()
        verdict, said = found, list[Note]()
        ruled = always_diverged(self.counts("diverged"), self.counts("done"))
        if ruled is not None and found == "inconclusive":
            verdict = ruled
            said.append(notes.always_diverged(self.counts("diverged"), self.counts("done"), ruled, family.contrasts))
        elif self.censored:
            said.append(notes.never_reached_on_texts())
        elif not tested and found == "inconclusive":
            verdict = "no verdict"
            said.append(notes.too_few_texts(len(units)))
        if verdict == "equivalent" and not all(has_left_floor(q.results, q.variant, q.both) for q in self.each):
            said.append(notes.nothing_learned(self.each[0].results.metric))
            verdict = "inconclusive"
        if withholds(verdict, lost):
            said.append(notes.withheld(verdict, lost))
            verdict = "inconclusive"
        if any(lost):
            said.append(notes.lost_on_texts(lost, len(units)))
        margin = self.each[0].results.metric.smallest_effect
        return replace(
            with_figures(self._described(), judged, i, look),
            p_adjusted=float(judged.tested.p_adjusted[i]) if tested or divergence is not None else None,
            p_equivalent=float(judged.p_equivalent[i]) if tested and margin is not None else None,
            verdict=verdict,
            notes=tuple(said),
            p_divergence=None if divergence is None else abs(divergence),
            look=number,
            against=self.against,
            correction=self.each[0].results.correction,
            sd=stdev(units) if len(units) > 1 else None,
            text_error=self._text_error(),
        )

    def _text_error(self) -> float | None:
        """That the mean over the texts owes to the length of each."""
        known = [text_error(q.results, q.variant.name, q.both.seeds, q.results.baseline) for q in self.each]
        errors = [one for one in known if one is not None]
        return sqrt(sum(one**2 for one in errors)) / len(errors) if errors and len(errors) == len(known) else None


def over_texts(asked: Sequence[Question]) -> list[TextsQuestion]:
    """One question for each variant and size in place of one for each text."""
    grouped: dict[tuple[str | None, ...], list[Question]] = {}
    for one in asked:
        grouped.setdefault((one.variant.size, one.variant.name, one.against), []).append(one)
    return [TextsQuestion(tuple(each)) for each in grouped.values()]


__all__ = ["TextsQuestion", "over_texts"]
