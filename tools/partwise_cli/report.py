"""`partwise report`: the report of a study, from its results alone."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .output import paragraph, print_json, write


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

    results = Results.load(study / RESULTS if study.is_dir() else study)
    directory = study if study.is_dir() else study.parent
    analysis = analyse(results)
    files = write_report(results, directory, analysis)
    if as_json:
        print_json({"study": results.study, "sentences": analysis.sentences, "files": [str(file) for file in files]})
        return
    for sentence in analysis.sentences.values():
        paragraph(sentence)
    write(f"report: {files[0]}")
