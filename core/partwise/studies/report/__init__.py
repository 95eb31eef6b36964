"""A study's report: one HTML file, and the same as Markdown, CSV and LaTeX.

report      what a report says, in words and formatted figures, the same for every format
prose       its sentences; `rows` are the rows of its tables, every cell in words
figures     its drawings
html, markdown, latex, tables    each only typesets it
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from partwise.storage.atomic import made
from partwise.storage.outputs import write_output

if TYPE_CHECKING:
    from partwise.studies.analysis import Analysis
    from partwise.studies.results import Results

    from .report import Report

__all__ = ["render", "write_report"]


def write_report(results: Results, directory: Path, analysis: Analysis | None = None) -> list[Path]:
    """Writes report.html, report.md, results.csv, summary.csv and table.tex, a function of the results alone.

    Of a study with several settings they are written for each, in a directory of its own.

    Args:
        analysis: what `analyse` finds in these results, if it is known already.

    Raises:
        InputError: the declared looks do not hold the study's alpha.
        WorkError: a file cannot be written.
    """
    from partwise.studies.analysis import analyse
    from partwise.studies.analysis.apart import apart, place_of
    from partwise.studies.stamp import clear_outdated

    from .report import Report

    if len(results.settings) > 1:
        return [path for words, one in apart(results) for path in write_report(one, directory / place_of(words))]
    made(directory)
    clear_outdated(directory)
    paths = []
    for name, text in render(Report(results, analysis or analyse(results))).items():
        paths.append(directory / name)
        write_output(paths[-1], text)
    return paths


def render(report: Report) -> dict[str, str]:
    """File name -> content."""
    from .html import html
    from .latex import latex
    from .markdown import markdown
    from .tables import results_csv, summary_csv

    return {
        "report.html": html(report),
        "report.md": markdown(report),
        "results.csv": results_csv(report),
        "summary.csv": summary_csv(report),
        "table.tex": latex(report),
    }
