"""`partwise report`: the report of a study, from its results alone."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .output import print_json, write
from .verdicts import notes, secondary, show_reports, show_verdicts


@click.command("report")
@click.argument("study", metavar="DIR", type=options.directory)
@options.as_json
def command(study: Path, as_json: bool) -> None:
    """Write the report of a study again, from its results alone.

    DIR is the directory of the study. Only its results.json is read.

    \b
    Example:
      partwise report studies/positions
    """
    from partwise.studies.analysis import analyse
    from partwise.studies.directories import RESULTS
    from partwise.studies.report import write_report
    from partwise.studies.results import Results
    from partwise.studies.stamp import stamp_of

    results = Results.load(study / RESULTS if study.is_dir() else study)
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
