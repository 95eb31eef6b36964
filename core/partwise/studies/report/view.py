"""A study as its reports tell it: the same words and figures for every format, each format but typesets them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from partwise.rendering import numbers
from partwise.rendering.text import last_lines, printable
from partwise.studies.analysis.findings import Analysis, Effect, Pooled, PooledContrast
from partwise.studies.analysis.scope import scope
from partwise.studies.results import Outcome, Results

from . import saying
from .row import VariantRow

LAST_LINES = 40


@dataclass(frozen=True)
class PooledRow:
    """A line of the second opinion."""

    contrast: PooledContrast
    name: str
    difference: str
    interval: str
    p: str


@dataclass(frozen=True)
class EffectRow:
    """A main effect or an interaction."""

    effect: Effect
    name: str
    kind: str
    estimate: str
    interval: str
    p: str


@dataclass(frozen=True)
class Sentence:
    """What is said about a factor."""

    factor: str
    headline: str
    """Its verdicts alone; empty if there are none."""
    clauses: list[str]
    """With all figures, each level by itself."""


@dataclass(frozen=True)
class Failure:
    """A run that came to no figure."""

    title: str
    what: str
    output: str


@dataclass(frozen=True)
class Report:
    """Everything that is told, in words."""

    results: Results
    analysis: Analysis

    @cached_property
    def rows(self) -> list[VariantRow]:
        summaries = {summary.variant: summary for summary in self.analysis.summaries}
        contrasts = {contrast.variant: contrast for contrast in self.analysis.contrasts}
        base = next(one for one in self.results.variants if one.name == self.results.baseline)
        return [
            VariantRow(one, summaries[one.name], contrasts.get(one.name), base, self._seconds(one.name))
            for one in self.results.variants
        ]

    def _seconds(self, variant: str) -> float | None:
        taken = [o.seconds for o in self.results.of(variant) if o.state == "done" and o.seconds is not None]
        return sum(taken) / len(taken) if taken else None

    @property
    def title(self) -> str:
        return printable(self.results.study)

    @property
    def about(self) -> str:
        return printable(self.results.about)

    @property
    def setting(self) -> str:
        return saying.setting(self.results)

    @property
    def progress(self) -> str:
        return saying.progress(self.results)

    @property
    def footnotes(self) -> list[str]:
        return saying.footnotes(self.results, self.analysis, self.rows)

    @property
    def tuning(self) -> str:
        return saying.tuning(self.results)

    @property
    def limits(self) -> list[str]:
        return [*saying.limits(self.analysis), *scope(self.results)]

    @property
    def verdicts(self) -> list[Sentence]:
        return [self._sentence(factor, words) for factor, words in self.analysis.sentences.items()]

    def _sentence(self, factor: str, words: str) -> Sentence:
        found = [c for c in self.analysis.contrasts if factor in (c.factor, c.variant)]
        subjects = [c.level for c in found] + [effect.name for effect in self.analysis.effects]
        return Sentence(
            printable(factor),
            saying.headline(found),
            [printable(one) for one in saying.clauses(words, factor, subjects)],
        )

    @property
    def level(self) -> str:
        """Of the intervals; they may differ where looks are declared."""
        alphas = {c.alpha for c in self.analysis.contrasts} or {self.results.alpha}
        return f"{100 * (1 - alphas.pop()):g} % interval" if len(alphas) == 1 else "interval"

    @property
    def sides(self) -> tuple[str, str]:
        """What a difference to the left and to the right of zero means."""
        return ("better", "worse") if self.results.metric.goal == "min" else ("worse", "better")

    @property
    def pooled(self) -> list[PooledRow]:
        found: Pooled | None = self.analysis.pooled
        rows = []
        for c in found.contrasts if found else ():
            places = numbers.decimals((c.high - c.low) / 2, c.difference)
            difference, interval = numbers.signed(c.difference, places), numbers.interval(c.low, c.high, places)
            rows.append(PooledRow(c, printable(c.variant), difference, interval, numbers.p_value(c.p_adjusted)))
        return rows

    @property
    def pooled_gate(self) -> str:
        """Whether the second opinion may be believed."""
        found = self.analysis.pooled
        if found is None:
            return ""
        p = "" if found.equal_variance_p is None else f" (Levene, p {numbers.p_value(found.equal_variance_p)})"
        if found.usable:
            return f"All variants in one model, seeds as blocks, with a common residual: their variances are alike{p}."
        return f"It is not to be used: it supposes equal variances, and the variants' differ{p}."

    @property
    def effects(self) -> list[EffectRow]:
        rows = []
        for one in self.analysis.effects:
            places = numbers.decimals((one.high - one.low) / 2, one.estimate)
            p = one.p if one.p_adjusted is None else one.p_adjusted
            kind = "main effect" if len(one.factors) == 1 else "interaction"
            estimate, interval = numbers.signed(one.estimate, places), numbers.interval(one.low, one.high, places)
            rows.append(EffectRow(one, printable(one.name), kind, estimate, interval, numbers.p_value(p)))
        return rows

    @property
    def effect_p(self) -> str:
        return "adjusted p" if any(one.p_adjusted is not None for one in self.analysis.effects) else "p"

    @property
    def failures(self) -> list[Failure]:
        return [self._failure(one) for one in self.results.outcomes if one.state in ("diverged", "failed")]

    def _failure(self, run: Outcome) -> Failure:
        tries = f" after {run.attempts} attempts" if run.attempts > 1 else ""
        error = f": {printable(run.error)}" if run.error else ""
        output = last_lines(run.output, LAST_LINES) if run.output else ""
        return Failure(f"{printable(run.variant)}, seed {run.seed}", f"{run.state}{tries}{error}", output)


__all__ = ["LAST_LINES", "EffectRow", "Failure", "PooledRow", "Report", "Sentence"]
