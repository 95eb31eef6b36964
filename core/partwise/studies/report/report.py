"""What a report says: the same words and figures for every format, which only typesets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from partwise.rendering.text import printable
from partwise.studies.analysis.findings import FactorVerdict
from partwise.studies.fractions import aliases
from partwise.studies.results import Results, at_setting

from . import prose
from .rows import EffectRow, PooledRow, VariantRow, effect_row, pooled_row
from .told import LAST_LINES, FactorText, Failure, Told, factor_text

MOST_FACTORS = 8
"""With verdicts on more factors than this they are summarised, and folded away."""


@dataclass(frozen=True)
class Report(Told):
    """Everything that the report of one setting says, in words: of a study without sizes and texts, all of it."""

    whole: Results | None = None
    """The study of which this is one setting."""

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
        base = next(one for one in self.results.variants if one.name == self.results.baseline)
        return printable(f"{self.results.study}{at_setting(base.size, base.text)}")

    @property
    def setting(self) -> str:
        return prose.setting(self.results) + prose.part_of(self.whole)

    @property
    def footnotes(self) -> list[str]:
        return prose.footnotes(self.results, self.analysis, self.rows, self.whole)

    @property
    def verdicts(self) -> list[FactorText]:
        return [_factor_text(verdict, self._ranks) for verdict in self.analysis.verdicts]

    @property
    def summary(self) -> str:
        """All verdicts together, where there are too many to be read one by one."""
        contrasts = [contrast for verdict in self.analysis.verdicts for contrast in verdict.contrasts]
        return prose.headline(contrasts) if len(self.analysis.verdicts) > MOST_FACTORS else ""

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
        r, groups = self.results, list[list[tuple[str, ...]]]()
        if r.design == "fractional" and r.resolution is not None:
            groups = aliases([*r.factors], r.resolution)
        return [effect_row(one, r.metric.goal, self._size, groups) for one in self.analysis.effects]

    @property
    def effect_p(self) -> str:
        return "adjusted p" if any(one.p_adjusted is not None for one in self.analysis.effects) else "p"


def _factor_text(verdict: FactorVerdict, ranks: Mapping[str, int]) -> FactorText:
    """Levels in the order of the table."""
    order = sorted(range(len(verdict.contrasts)), key=lambda number: ranks[verdict.contrasts[number].variant])
    return factor_text(verdict, order)


__all__ = ["LAST_LINES", "FactorText", "Failure", "Report"]
