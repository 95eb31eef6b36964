"""`partwise check`: everything that can be wrong with recipes, before anything is trained."""

from __future__ import annotations

from typing import Any

import click

from partwise.errors import InputError

from . import options
from .output import print_json
from .text import visible


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@options.overrides
@click.option("--schema-only", is_flag=True, help="Check what is written, without assembling the models; fast.")
@options.as_json
@click.pass_context
def command(
    context: click.Context, files: tuple[str, ...], overrides: tuple[str, ...], schema_only: bool, as_json: bool
) -> None:
    """Check recipes: files, or names of shipped ones.

    Every model is assembled without memory for its weights, so that what passes here assembles. All files
    are reported; the exit code is 2 if any is wrong.

    \b
    Examples:
      partwise check mine.json
      partwise check recipes/*.json --schema-only
    """
    wrong, reports = False, []
    for file in files:
        error = _problem(file, overrides, schema_only)
        wrong = wrong or error is not None
        if as_json:
            reports.append(described(file, error))
        elif error is None:
            click.echo(f"{visible(file)}: ok")
        else:
            click.echo(visible(str(error)), err=True)
    if as_json:
        print_json(reports)
    context.exit(2 if wrong else 0)


def _problem(file: str, overrides: tuple[str, ...], schema_only: bool) -> InputError | None:
    from partwise.recipe import load

    try:
        loaded = load(file, overrides)
        if not schema_only:
            from partwise import workflow

            workflow.check(loaded)
    except InputError as error:
        return error
    return None


def described(file: str, error: InputError | None) -> dict[str, Any]:
    """What is wrong with a file, as JSON; `problems` is empty if only `text` can tell."""
    problems = [_described_problem(problem) for problem in getattr(error, "problems", ())]
    return {"file": file, "ok": error is None, "text": str(error) if error else None, "problems": problems}


def _described_problem(problem: Any) -> dict[str, Any]:
    line, column = None, None
    if problem.mark is not None and problem.mark.source.numbered:
        line, column = problem.mark.source.line_and_column(problem.mark.start)
    return {
        "message": problem.message,
        "source": problem.mark.source.name if problem.mark else None,
        "line": line,
        "column": column,
        "path": list(problem.path),
        "notes": list(problem.notes),
    }
