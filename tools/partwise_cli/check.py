"""`partwise check`: finds everything that is wrong with recipes before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from partwise.errors import PartwiseError

from . import options
from .failures import told, unexpected
from .output import print_json, write
from .text import visible

if TYPE_CHECKING:
    from partwise.workflow import EpochsPlan


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@options.overrides
@options.start
@options.data
@click.option("--schema-only", is_flag=True, help="Check only what the files say, without assembling models; fast.")
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    files: tuple[str, ...],
    overrides: tuple[str, ...],
    start: Path | None,
    data: Path | None,
    schema_only: bool,
    as_json: bool,
) -> None:
    """Check recipes, studies and weight maps.

    Each is given as a file, recipes and studies also by the name of a shipped one. Every model is assembled, without
    memory for its weights; for a study, that of every variant; for a weight map, that of every case of its choices.
    All files are reported; the exit code is 2 if any is wrong. Where a recipe's texts were encoded before, it is told
    how often its updates read them.

    \b
    Examples:
      partwise check mine.json
      partwise check recipes/*.json --schema-only
      partwise check recipes/families/llama.weights.json
    """
    exit_code, reports = 0, []
    overrides = options.with_start(overrides, start)
    for file in files:
        error, code, epochs = _checked(file, overrides, data, schema_only)
        exit_code = max(exit_code, code)
        if as_json:
            reports.append(described(file, error) | {"epochs": None if epochs is None else epochs.epochs})
        elif error is None:
            write(f"{visible(file)}: ok{'' if epochs is None else f' ({epochs})'}")
        else:
            write(visible(_text(error)), err=True)
    if as_json:
        print_json(reports)
    context.exit(exit_code)


def _checked(
    file: str, overrides: tuple[str, ...], data: Path | None, schema_only: bool
) -> tuple[Exception | None, int, EpochsPlan | None]:
    """What is wrong with a file, the exit code for it, and, if nothing is, how often a recipe's training reads its
    texts, as far as that is known. A part that breaks must not keep other files unchecked."""
    from partwise.huggingface.map_file import holds_map
    from partwise.recipe import load
    from partwise.studies.definition.locate import holds_study

    try:
        if holds_map(file):
            _check_map(file, overrides, schema_only)
            return None, 0, None
        if holds_study(file):
            _check_study(file, overrides, data, schema_only)
            return None, 0, None
        loaded = load(file, overrides).with_data_in(data)
        if not schema_only:
            from partwise import workflow

            workflow.check(loaded)
            return None, 0, workflow.planned_epochs(loaded)
    except PartwiseError as error:
        return error, error.exit_code, None
    except Exception as error:
        return error, 1, None
    return None, 0, None


def _check_map(file: str, overrides: tuple[str, ...], schema_only: bool) -> None:
    from partwise import InputError
    from partwise.huggingface.map_rules import check_map

    if overrides:
        raise InputError(f"{file} is a weight map, and --set changes recipes; change its recipe")
    check_map(Path(file), assemble=not schema_only)


def _check_study(file: str, overrides: tuple[str, ...], data: Path | None, schema_only: bool) -> None:
    from dataclasses import replace

    from partwise import InputError
    from partwise.studies.definition.reading import load_study
    from partwise.studies.definition.variants import variants

    if overrides:
        raise InputError(f"{file} is a study, and --set changes recipes; change its base")
    study = load_study(file)
    variants(replace(study, base=study.base.with_data_in(data)), assemble=not schema_only)


def _text(error: Exception) -> str:
    return told(error) if isinstance(error, PartwiseError) else unexpected(error)


def described(file: str, error: Exception | None) -> dict[str, Any]:
    """What is wrong with a file, as JSON; `problems` is empty if only `text` can tell."""
    problems = [_described_problem(problem) for problem in getattr(error, "problems", ())]
    return {"file": file, "ok": error is None, "text": _text(error) if error else None, "problems": problems}


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
