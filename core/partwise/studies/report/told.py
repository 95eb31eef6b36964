"""What the reports of all studies say alike: their title, what puts them in question, what they took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from partwise.rendering.text import last_lines, printable
from partwise.studies.analysis.findings import Analysis, FactorVerdict, SecondaryFinding
from partwise.studies.results import Outcome, Results
from partwise.studies.stamp import runs_told

from . import prose
from .cells import Matrix
from .metrics import metrics_matrix
from .rows import FurtherRow, further_row

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
class MetricText:
    """What a secondary metric says."""

    name: str
    label: str
    verdicts: list[FactorText]
    described: str
    """Of which variants it claims nothing; empty if of none."""


@dataclass(frozen=True)
class Failure:
    """A run that has no figure, and never will."""

    title: str
    what: str
    output: str


@dataclass(frozen=True)
class Told:
    """What is said of any study, whatever its figures are."""

    results: Results
    analysis: Analysis

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
    def tuning(self) -> str:
        return prose.tuning(self.results, self.analysis.tuning_cost)

    @property
    def further(self) -> list[FurtherRow]:
        """Comparisons with others than the baseline."""
        return [further_row(one, self._size) for one in self.analysis.pairs]

    @property
    def _size(self) -> float:
        return max((abs(run.metric) for run in self.results.outcomes if run.metric is not None), default=0.0)

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
        return prose.seeds_needed(self.analysis.over_texts or self.analysis.contrasts)

    @property
    def level(self) -> str:
        """Of the intervals; they may differ where looks are declared."""
        alphas = {c.alpha for c in self.analysis.contrasts} or {self.results.alpha}
        return f"{100 * (1 - alphas.pop()):g} % interval" if len(alphas) == 1 else "interval"

    @property
    def secondary(self) -> list[MetricText]:
        """What each secondary metric says."""
        return [_metric_text(one) for one in self.analysis.secondary]

    @cached_property
    def metrics(self) -> Matrix | None:
        """Variants by metrics; None with one metric."""
        return metrics_matrix(self.results, self.analysis) if self.analysis.secondary else None

    @property
    def failures(self) -> list[Failure]:
        return [_failure(one) for one in self.results.outcomes if one.state in ("diverged", "failed")]


def factor_text(verdict: FactorVerdict, order: Sequence[int] | None = None) -> FactorText:
    """Clauses of contrasts in an order of their own, if one is given; what is said of effects comes after them."""
    count = len(verdict.contrasts)
    order = range(count) if order is None else order
    said = [*(verdict.clauses[number] for number in order), *verdict.clauses[count:]]
    headline = printable(verdict.headline) or prose.headline([verdict.contrasts[number] for number in order])
    return FactorText(printable(verdict.factor), headline, [printable(f"{one}.") for one in said])


def _metric_text(found: SecondaryFinding) -> MetricText:
    verdicts = [factor_text(verdict) for verdict in found.verdicts]
    return MetricText(printable(found.name), printable(found.metric.label), verdicts, prose.described(found.described))


def _failure(run: Outcome) -> Failure:
    tries = f" after {run.attempts} attempts" if run.attempts > 1 else ""
    error = f": {printable(run.error)}" if run.error else ""
    output = last_lines(run.output, LAST_LINES) if run.output else ""
    return Failure(f"{printable(run.title)}, seed {run.seed}", f"{run.state}{tries}{error}", output)


__all__ = ["LAST_LINES", "FactorText", "Failure", "MetricText", "Told", "factor_text"]
