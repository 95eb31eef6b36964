"""A study's report: one HTML file, and the same as Markdown and LaTeX; its figures as tables lie beside it.

report      what a report says, in words and formatted figures, the same for every format
prose       its sentences; `rows` are the rows of its tables, every cell in words
figures     its drawings
html, markdown, latex    each only typesets it
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
    """Writes report.html, report.md, table.tex and tables/*.csv, a function of the results alone.

    Of a study with several settings the first three are written for each, in a directory of its own; the tables are
    those of the whole study.

    Args:
        analysis: what `analyse` finds in these results, if it is known already.

    Raises:
        InputError: the declared looks do not hold the study's alpha.
        WorkError: a file cannot be written.
    """
    from partwise.studies.analysis import analyse
    from partwise.studies.analysis.apart import apart, place_of
    from partwise.studies.stamp import clear_outdated
    from partwise.studies.tables import write_tables

    from .report import Report

    found = analysis or analyse(results)
    made(directory)
    clear_outdated(directory)
    places = [(directory, results, found)]
    if len(results.settings) > 1:
        places = [(directory / place_of(words), one, analyse(one)) for words, one in apart(results)]
    pages = [path for place, one, of in places for path in _write_pages(Report(one, of), place)]
    return [*pages, *write_tables(results, found, directory)]


def _write_pages(report: Report, directory: Path) -> list[Path]:
    made(directory)
    paths = []
    for name, text in render(report).items():
        paths.append(directory / name)
        write_output(paths[-1], text)
    return paths


def render(report: Report) -> dict[str, str]:
    """File name -> content."""
    from .html import html
    from .latex import latex
    from .markdown import markdown

    return {
        "report.html": html(report),
        "report.md": markdown(report),
        "table.tex": latex(report),
    }
