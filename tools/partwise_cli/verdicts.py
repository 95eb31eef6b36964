"""The verdicts of a study in a terminal: as `ablate` and `report` print them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .output import paragraph, write

if TYPE_CHECKING:
    from partwise.studies.analysis import Analysis
    from partwise.studies.report.report import Report
    from partwise.studies.results import Results

MOST_CLAUSES = 8
"""A factor of which there is more to say is summarised; the report says it all."""


def show_verdicts(results: Results, analysis: Analysis) -> None:
    """Prints a sentence for each factor, and the notes that apply to this study."""
    from partwise.studies.report.report import Report

    if len(results.settings) > 1:
        for verdict in analysis.verdicts:
            paragraph(verdict.sentence)
    else:
        _show_factors(Report(results, analysis))
    for name, said in secondary(analysis).items():
        for sentence in said["sentences"].values():
            paragraph(f"by {name}: {sentence}")
        if said["described"]:
            paragraph(f"by {name}, {_LEFT_OPEN}: {', '.join(said['described'])}.")
    for note in notes(analysis):
        paragraph(f"note: {note}")


_LEFT_OPEN = "nothing is claimed where the primary metric finds nothing"


def _show_factors(report: Report) -> None:
    if report.summary:
        paragraph(f"all factors: {report.summary}")
    for verdict, told in zip(report.analysis.verdicts, report.verdicts, strict=True):
        if len(told.clauses) > MOST_CLAUSES and told.headline:
            paragraph(f"{told.factor}: {told.headline}")
        else:
            paragraph(verdict.sentence)


def secondary(analysis: Analysis) -> dict[str, Any]:
    """What the secondary metrics say: by each, its sentences, and the variants that it only describes."""
    return {
        one.name: {"sentences": {of.factor: of.sentence for of in one.verdicts}, "described": list(one.described)}
        for one in analysis.secondary
    }


def show_reports(files: Sequence[Path]) -> None:
    """Where the page is; of a study with several settings, the one of all of them, which leads to the others."""
    write(f"report: {next(file for file in files if file.suffix == '.html')}")


def notes(analysis: Analysis) -> list[str]:
    """What applies to this study; what is true of any study is left to the report."""
    return [note.text for note in analysis.notes if note.kind != "scope"]
