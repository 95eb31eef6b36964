"""A study's report: one HTML file, and the same as Markdown, CSV and LaTeX.

view        what is told, in words and formatted figures, the same for every format
figures     the drawings
html, markdown, latex, tables       each typesets it
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from partwise.storage.atomic import made, write_text

if TYPE_CHECKING:
    from partwise.studies.results import Results

    from .view import Report

__all__ = ["render", "write_report"]


def write_report(results: Results, directory: Path) -> list[Path]:
    """Writes report.html, report.md, results.csv, summary.csv and table.tex, a function of the results alone.

    Raises:
        WorkError: a file cannot be written.
    """
    from partwise.studies.analysis import analyse

    from .view import Report

    made(directory)
    paths = []
    for name, text in render(Report(results, analyse(results))).items():
        paths.append(directory / name)
        write_text(paths[-1], text)
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
