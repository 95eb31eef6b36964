"""`partwise runs`: the runs there are; and how other commands find the one that is meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from partwise.errors import InputError

from . import options
from .output import print_json, show_columns, write
from .text import figure

if TYPE_CHECKING:
    from partwise.runs.listing import Listed


@click.command("runs")
@click.argument("directory", type=options.directory, default="runs", metavar="[DIR]")
@options.as_json
def command(directory: Path, as_json: bool) -> None:
    """List runs: recipe, seed, state, step, loss, bits, age.

    If runs have evaluations, the first figure of each is shown, too.

    Those in the directory `runs` and below, or in DIR; the one written last comes first.

    \b
    Examples:
      partwise runs
      partwise runs studies --json
    """
    from partwise.runs.listing import runs_in

    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file; runs are kept in directories")
    found = runs_in(directory) if directory.is_dir() else []
    if as_json:
        print_json([described(run) for run in found])
    elif not found:
        write(f"no runs in {directory}; to make one: partwise train char-rnn")
    else:
        starts = any(run.start for run in found)
        header = ["run", "recipe", "seed", "state", "step", "valid loss", "bits per byte", "age"]
        header += ["started from"] if starts else []
        further = _evaluations(found)
        lines = (
            (
                *_line(run),
                *([run.start or "-"] if starts else []),
                *(figure(run.evaluations.get(name)) for name in further),
            )
            for run in found
        )
        show_columns(
            lines, (*header, *further), right=(2, *range(4, 8), *range(8 + starts, len(header) + len(further))), wraps=0
        )
        for run in found:
            if run.problem:
                write(f"damaged: {run.problem}", err=True)


def _evaluations(found: list[Listed]) -> list[str]:
    """The first figure of each evaluation that any of the runs has: a table has no room for all of them."""
    names = dict.fromkeys(name for run in found for name in run.evaluations)
    first = {name.partition(".")[0]: name for name in reversed(names)}
    return [name for name in names if name in first.values()]


def _line(run: Listed) -> tuple[str, ...]:
    return (
        str(run.directory),
        run.name,
        "-" if run.seed is None else str(run.seed),
        run.state,
        "-" if run.step is None else f"{run.step} / {run.steps}" if run.steps else str(run.step),
        figure(run.loss),
        figure(run.bits_per_byte),
        age(run.seconds_ago),
    )


def described(run: Listed) -> dict[str, Any]:
    """A run as JSON values."""
    return {**vars(run), "directory": str(run.directory)}


def age(seconds: float) -> str:
    """`12 s`, `5 min`, `3 h`, `4 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def directory_of(run: str) -> Path:
    """The directory that is meant by a RUN: a path, or the name of a directory in `runs`.

    Raises:
        InputError: there is no run; says which there are, or how to make one.
    """
    for path in (Path(run), Path("runs") / run):
        try:
            if (path / "recipe.json").is_file():
                return path
        except OSError as error:  # no permission, or a name too long
            raise InputError(f"cannot read {path}: {error.strerror}") from error
    raise InputError(f"{run} holds no run: there is no recipe.json in it{hint_of_run(run)}")


def hint_of_run(run: str) -> str:
    """What may have been meant by a directory that holds no run."""
    from partwise.recipe.suggestions import nearest, short_list, suggestion

    known = [str(path.parent) for path in Path("runs").glob("*/recipe.json")]
    of_recipe = [path for path in known if Path(path).name.startswith(f"{Path(run).stem}-")]
    meant = suggestion(run, known) or next(iter(sorted(of_recipe)), None)
    if meant:
        return f"; did you mean {meant}?"
    if known:
        return f"\n  runs here: {short_list(nearest(run, known))}"
    return f"\n  to make one: partwise train {run if is_recipe(run) else 'RECIPE'}"


def is_recipe(text: str) -> bool:
    """Whether a text means a recipe: a name, a file, or standard input."""
    from partwise.recipe.shipped import names

    return text in (*names(), "-") or (text.endswith(".json") and Path(text).is_file())
