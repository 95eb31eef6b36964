"""What a report says: the same words and figures for every format, which only typesets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from partwise.rendering.text import last_lines, printable
from partwise.studies.analysis.findings import Analysis, FactorVerdict
from partwise.studies.results import Outcome, Results
from partwise.studies.stamp import runs_told

from . import prose
from .rows import EffectRow, PooledRow, VariantRow, effect_row, pooled_row

LAST_LINES = 40
MOST_FACTORS = 8
"""With verdicts on more factors than this they are summarised, and folded away."""


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
        """The baseline, then the others from the best difference to the worst; last, those without any."""
        summaries = {summary.variant: summary for summary in self.analysis.summaries}
        contrasts = {contrast.variant: contrast for contrast in self.analysis.contrasts}
        base = next(one for one in self.results.variants if one.name == self.results.baseline)
        rows = [
            VariantRow(one, summaries[one.name], contrasts.get(one.name), base, self._seconds(one.name), number)
            for number, one in enumerate(self.results.variants, 1)
        ]
        return sorted(rows, key=self._rank)

    def _rank(self, row: VariantRow) -> tuple[int, float]:
        difference = row.contrast.difference if row.contrast else None
        if row.contrast is None or difference is None:
            return (0 if row.variant == row.base else 2), 0.0
        return 1, difference if self.results.metric.goal == "min" else -difference

    @property
    def _ranks(self) -> dict[str, int]:
        return {row.variant.name: rank for rank, row in enumerate(self.rows)}

    @property
    def rows_as_studied(self) -> list[VariantRow]:
        """The same in the study's own order."""
        return sorted(self.rows, key=lambda row: row.number)

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
        return prose.tuning(self.results, self.analysis.tuning_cost)

    @property
    def stamp(self) -> str:
        """Which results these are: `results 3f2a9c41d0, 9 of 12 runs`."""
        return f"results {self.results.digest}, {runs_told(self.results)}"

    @property
    def made(self) -> str:
        return prose.made(self.results)

    @property
    def warnings(self) -> list[str]:
        return prose.warnings(self.analysis)

    @property
    def limits(self) -> list[str]:
        return prose.limits(self.analysis)

    @property
    def seeds_needed(self) -> list[str]:
        return prose.seeds_needed(self.analysis.contrasts)

    @property
    def verdicts(self) -> list[FactorText]:
        return [_factor_text(verdict, self._ranks) for verdict in self.analysis.verdicts]

    @property
    def summary(self) -> str:
        """All verdicts together, where there are too many to be read one by one."""
        contrasts = [contrast for verdict in self.analysis.verdicts for contrast in verdict.contrasts]
        return prose.headline(contrasts) if len(self.analysis.verdicts) > MOST_FACTORS else ""

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
        if self.analysis.pooled is None:
            return []
        ranks = self._ranks
        contrasts = sorted(self.analysis.pooled.contrasts, key=lambda contrast: ranks[contrast.variant])
        return [pooled_row(one, self._size) for one in contrasts]

    @property
    def pooled_gate(self) -> str:
        return prose.pooled_gate(self.analysis.pooled) if self.analysis.pooled else ""

    @property
    def effects(self) -> list[EffectRow]:
        return [effect_row(one, self.results.metric.goal, self._size) for one in self.analysis.effects]

    @property
    def _size(self) -> float:
        return max((abs(run.metric) for run in self.results.outcomes if run.metric is not None), default=0.0)

    @property
    def effect_p(self) -> str:
        return "adjusted p" if any(one.p_adjusted is not None for one in self.analysis.effects) else "p"

    @property
    def failures(self) -> list[Failure]:
        return [_failure(one) for one in self.results.outcomes if one.state in ("diverged", "failed")]


def _factor_text(verdict: FactorVerdict, ranks: Mapping[str, int]) -> FactorText:
    """Levels in the order of the table; what is said of effects comes after them."""
    count = len(verdict.contrasts)
    order = sorted(range(count), key=lambda number: ranks[verdict.contrasts[number].variant])
    said = [*(verdict.clauses[number] for number in order), *verdict.clauses[count:]]
    headline = printable(verdict.headline) or prose.headline([verdict.contrasts[number] for number in order])
    return FactorText(printable(verdict.factor), headline, [printable(f"{one}.") for one in said])


def _failure(run: Outcome) -> Failure:
    tries = f" after {run.attempts} attempts" if run.attempts > 1 else ""
    error = f": {printable(run.error)}" if run.error else ""
    output = last_lines(run.output, LAST_LINES) if run.output else ""
    return Failure(f"{printable(run.variant)}, seed {run.seed}", f"{run.state}{tries}{error}", output)


__all__ = ["LAST_LINES", "FactorText", "Failure", "Report"]
