"""What a report says: the same words and figures for every format, which only typesets them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from partwise.rendering.text import last_lines, printable
from partwise.studies.analysis.findings import Analysis, FactorVerdict
from partwise.studies.results import Outcome, Results

from . import prose
from .rows import EffectRow, PooledRow, VariantRow, effect_row, pooled_row

LAST_LINES = 40


@dataclass(frozen=True)
class FactorText:
    """What is said about a factor."""

    factor: str
    headline: str
    """Its verdicts alone; empty if there are none."""
    clauses: list[str]
    """With all figures, each level by itself."""


@dataclass(frozen=True)
class Failure:
    """A run that has no figure, and never will."""

    title: str
    what: str
    output: str


@dataclass(frozen=True)
class Report:
    """Everything that a report says, in words."""

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
        return prose.setting(self.results)

    @property
    def progress(self) -> str:
        return prose.progress(self.results)

    @property
    def footnotes(self) -> list[str]:
        return prose.footnotes(self.results, self.analysis, self.rows)

    @property
    def tuning(self) -> str:
        return prose.tuning(self.results)

    @property
    def limits(self) -> list[str]:
        return prose.limits(self.analysis)

    @property
    def verdicts(self) -> list[FactorText]:
        return [_factor_text(verdict) for verdict in self.analysis.verdicts]

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
        return [pooled_row(one) for one in self.analysis.pooled.contrasts] if self.analysis.pooled else []

    @property
    def pooled_gate(self) -> str:
        return prose.pooled_gate(self.analysis.pooled) if self.analysis.pooled else ""

    @property
    def effects(self) -> list[EffectRow]:
        return [effect_row(one) for one in self.analysis.effects]

    @property
    def effect_p(self) -> str:
        return "adjusted p" if any(one.p_adjusted is not None for one in self.analysis.effects) else "p"

    @property
    def failures(self) -> list[Failure]:
        return [_failure(one) for one in self.results.outcomes if one.state in ("diverged", "failed")]


def _factor_text(verdict: FactorVerdict) -> FactorText:
    clauses = [printable(f"{clause}.") for clause in verdict.clauses]
    headline = printable(verdict.headline) or prose.headline(verdict.contrasts)
    return FactorText(printable(verdict.factor), headline, clauses)


def _failure(run: Outcome) -> Failure:
    tries = f" after {run.attempts} attempts" if run.attempts > 1 else ""
    error = f": {printable(run.error)}" if run.error else ""
    output = last_lines(run.output, LAST_LINES) if run.output else ""
    return Failure(f"{printable(run.variant)}, seed {run.seed}", f"{run.state}{tries}{error}", output)


__all__ = ["LAST_LINES", "FactorText", "Failure", "Report"]
