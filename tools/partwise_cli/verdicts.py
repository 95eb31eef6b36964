"""The verdicts of a study in a terminal: as `ablate` and `report` print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output import paragraph

if TYPE_CHECKING:
    from partwise.studies.analysis import Analysis
    from partwise.studies.results import Results

MOST_CLAUSES = 8
"""A factor of which there is more to say is summarised; the report says it all."""


def show_verdicts(results: Results, analysis: Analysis) -> None:
    """Prints a sentence for each factor, and the notes that apply to this study."""
    from partwise.studies.report.report import Report

    report = Report(results, analysis)
    if report.summary:
        paragraph(f"all factors: {report.summary}")
    for verdict, told in zip(analysis.verdicts, report.verdicts, strict=True):
        if len(told.clauses) > MOST_CLAUSES and told.headline:
            paragraph(f"{told.factor}: {told.headline}")
        else:
            paragraph(verdict.sentence)
    for note in notes(analysis):
        paragraph(f"note: {note}")


def notes(analysis: Analysis) -> list[str]:
    """What applies to this study; what is true of any study is left to the report."""
    return [note.text for note in analysis.notes if note.kind != "scope"]
