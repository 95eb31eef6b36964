"""`partwise report`: the report of a study, from its results alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options
from .output import STANDARD_OUTPUT, print_json, write, write_file
from .text import visible
from .verdicts import notes, secondary, show_reports, show_verdicts

if TYPE_CHECKING:
    from partwise.studies.results import Results


@click.command("report")
@click.argument("study", metavar="DIR", type=options.directory)
@click.argument("other", metavar="[DIR]", type=options.directory, required=False)
@click.option("--out", type=options.output, metavar="FILE", help="With two studies: write the page to this file.")
@options.as_json
def command(study: Path, other: Path | None, out: Path | None, as_json: bool) -> None:
    """Write the report of a study again, or compare two studies.

    DIR is the directory of a study; only its results.json is read. With two, the verdicts of both on the same
    comparisons are printed as Markdown, how far they differ, and what was asked otherwise.

    \b
    Examples:
      partwise report studies/positions
      partwise report studies/positions studies/positions-large --out both.md
    """
    if other is not None:
        _side_by_side(study, other, out, as_json)
        return
    if out is not None:
        raise click.UsageError("--out is for two studies; the report of one lies in its directory")
    from partwise.studies.analysis import analyse
    from partwise.studies.report import write_report
    from partwise.studies.stamp import stamp_of

    results = _results_of(study)
    directory = study if study.is_dir() else study.parent
    analysis = analyse(results)
    before = stamp_of(directory)
    if before is not None and not before.tells(results):
        write(f"note: the report in {directory} was out of date: it told {before.words}", err=True)
    files = write_report(results, directory, analysis)
    if as_json:
        told = {"sentences": analysis.sentences, "secondary": secondary(analysis), "notes": notes(analysis)}
        print_json({"study": results.study, **told, "files": [str(file) for file in files]})
        return
    show_verdicts(results, analysis)
    show_reports(files)


def _results_of(study: Path) -> Results:
    from partwise.studies.directories import RESULTS
    from partwise.studies.results import Results

    return Results.load(study / RESULTS if study.is_dir() else study)


def _side_by_side(first: Path, second: Path, out: Path | None, as_json: bool) -> None:
    from partwise.studies.report.two_studies import two_studies

    if as_json:
        raise click.UsageError("--json is for one study; `partwise report DIR --json` of each has all figures")
    page = two_studies(_results_of(first), _results_of(second))
    if out is None or out == STANDARD_OUTPUT:
        write(page.rstrip())
        return
    write_file(out, page)
    write(f"wrote {visible(str(out))}")
