"""What the report of a study with sizes or texts says over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from partwise.rendering.text import printable
from partwise.studies.analysis.findings import Contrast
from partwise.studies.analysis.ladder_findings import LadderFinding
from partwise.studies.places import place_of
from partwise.studies.results import at_setting

from . import prose
from .cells import LadderRow, Matrix, best_first, contrast_cell, ladder_row
from .report import Report
from .told import FactorText, Told, factor_text


@dataclass(frozen=True)
class SettingPage:
    """One setting's own report."""

    name: str
    """`0.1M on wiki`."""
    place: str
    """Its directory, beside this report."""
    report: Report


@dataclass(frozen=True)
class WholeReport(Told):
    """Everything that is said over sizes and texts, in words."""

    @cached_property
    def ladder(self) -> list[LadderRow]:
        """By text, then from the best difference at the largest size to the worst."""
        return self.in_order(self.analysis.ladder)

    def in_order(self, ladder: Sequence[LadderFinding]) -> list[LadderRow]:
        """Rows of the primary metric, or of another."""
        rows = [ladder_row(one) for one in ladder]
        texts = list(dict.fromkeys(row.finding.text for row in rows))
        sign = 1 if self.results.metric.goal == "min" else -1

        def rank(row: LadderRow) -> tuple[int, bool, float]:
            last = row.cells[-1].sort
            return texts.index(row.finding.text), last is None, sign * (last or 0.0)

        return sorted(rows, key=rank)

    @property
    def verdicts(self) -> list[FactorText]:
        return [factor_text(verdict) for verdict in self.analysis.verdicts]

    @property
    def summary(self) -> str:
        """Over the sizes, where there are too many variants to be read one by one."""
        return prose.ladder_summary(self.analysis.ladder)

    @cached_property
    def names(self) -> list[str]:
        """Variants but for the baseline, the best first: at the largest size, over all texts or on the first."""
        last = self.results.sizes[-1] if self.results.sizes else None
        found: dict[str, float | None] = dict.fromkeys(
            v.name for v in self.results.variants if v.name != self.results.baseline
        )
        for c in reversed(self.analysis.over_texts or self.analysis.contrasts):
            if c.size == last:
                found[c.variant] = c.difference
        return best_first([*found.items()], self.results.metric.goal)

    def at(self, variant: str, size: str | None, text: str | None) -> Contrast | None:
        """A variant's contrast at a setting; with None for the text over all of them, where that is claimed."""
        return self._contrasts.get((variant, size, text))

    @cached_property
    def _contrasts(self) -> dict[tuple[str, str | None, str | None], Contrast]:
        every = (*self.analysis.contrasts, *self.analysis.over_texts)
        return {(c.variant, c.size, c.text): c for c in every}

    @property
    def over_texts(self) -> bool:
        """Whether the claims are about all texts together."""
        return bool(self.analysis.over_texts)

    @cached_property
    def by_text(self) -> Matrix | None:
        """Variants by texts, and within a text by sizes; None with one text."""
        texts: list[str | None] = [*self.results.texts]
        if len(texts) < 2:
            return None
        sizes: list[str | None] = [*self.results.sizes] or [None]
        places = ([None] if self.over_texts and not self.results.sizes else []) + texts
        columns = [(size, text) for text in places for size in sizes]
        rows = tuple(
            (printable(name), tuple(contrast_cell(self.at(name, size, text)) for size, text in columns))
            for name in self.names
        )
        if not self.results.sizes:
            return Matrix((), tuple(_text_name(text, len(texts)) for text in places), rows)
        groups = tuple((_text_name(text, len(texts)), len(sizes)) for text in places)
        return Matrix(groups, tuple(printable(size or "") for size, _ in columns), rows)

    @property
    def settings(self) -> list[SettingPage]:
        """Every setting by itself; its tests are those of the whole study."""
        return [
            SettingPage(
                printable(one.name),
                place_of(at_setting(one.size, one.text).strip()),
                Report(self.results.at(one.size, one.text), one.analysis, self.results),
            )
            for one in self.analysis.settings
        ]

    @property
    def settings_told(self) -> str:
        """What every setting's own page has."""
        return prose.settings_told(self.results)

    @property
    def notes(self) -> list[str]:
        """Of the tables."""
        return prose.whole_notes(self.results, self.analysis)


def _text_name(text: str | None, count: int) -> str:
    return f"over all {count}" if text is None else printable(text)


__all__ = ["SettingPage", "WholeReport"]
