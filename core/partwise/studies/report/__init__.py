"""A study's report: one HTML file, and the same as Markdown and LaTeX; its figures as tables lie beside it.

told        what the reports of all studies say alike, in words, the same for every format
report      what the report of one setting says, with formatted figures; `whole` that over sizes and texts
prose       its sentences; `rows` and `cells` are what stands in its tables, every cell in words
figures     its drawings
html, markdown, latex    each only typesets it
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from partwise.storage.atomic import made
from partwise.storage.outputs import write_output

if TYPE_CHECKING:
    from partwise.studies.analysis import Analysis
    from partwise.studies.results import Results

    from .report import Report
    from .whole import WholeReport

__all__ = ["render", "render_whole", "write_report"]


def write_report(results: Results, directory: Path, analysis: Analysis | None = None) -> list[Path]:
    """Writes report.html, report.md, table.tex and tables/*.csv, a function of the results alone.

    Of a study with sizes or texts the first three tell of all settings together, and in a directory of its own each
    setting has three more; the tables are those of the whole study.

    Args:
        analysis: what `analyse` finds in these results, if it is known already.

    Raises:
        InputError: the declared looks do not hold the study's alpha.
        WorkError: a file cannot be written.
    """
    from partwise.studies.analysis import analyse
    from partwise.studies.stamp import clear_outdated
    from partwise.studies.tables import write_tables

    from .report import Report
    from .whole import WholeReport

    found = analysis or analyse(results)
    made(directory)
    clear_outdated(directory)
    if results.sizes or results.texts:
        whole = WholeReport(results, found)
        paths = _written(render_whole(whole), directory)
        paths += [path for one in whole.settings for path in _written(render(one.report), directory / one.place)]
    else:
        paths = _written(render(Report(results, found)), directory)
    return [*paths, *write_tables(results, found, directory)]


def _written(files: Mapping[str, str], directory: Path) -> list[Path]:
    made(directory)
    paths = []
    for name, text in files.items():
        paths.append(directory / name)
        write_output(paths[-1], text)
    return paths


def render_whole(report: WholeReport) -> dict[str, str]:
    """File name -> content, of a study with sizes or texts; without what stands in the reports of its settings."""
    from .html import whole_html
    from .latex import whole_latex
    from .markdown import whole_markdown

    return {
        "report.html": whole_html(report),
        "report.md": whole_markdown(report),
        "table.tex": whole_latex(report),
    }


def render(report: Report) -> dict[str, str]:
    """File name -> content, of one setting."""
    from .html import html
    from .latex import latex
    from .markdown import markdown

    return {
        "report.html": html(report),
        "report.md": markdown(report),
        "table.tex": latex(report),
    }
