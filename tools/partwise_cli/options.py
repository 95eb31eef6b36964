"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def whole(least: int) -> Callable[[Any], int]:
    """The type of an option that takes a whole number from `least` up to what 63 bits hold."""

    def convert(value: Any) -> int:
        try:
            number = int(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is not a whole number") from None
        if not least <= number < 2**63:
            raise click.BadParameter(f"{value} is not between {least} and 2^63 - 1")
        return number

    return convert


def directory(value: str) -> Path:
    """The type of an option that takes a directory: an empty text, which would mean the current one, is a mistake."""
    if not value:
        raise click.BadParameter("an empty name is no directory; the current one is .")
    if value == "-":
        raise click.BadParameter("- is standard input or output, and a directory is wanted; ./- is one of that name")
    return Path(value)


def output(value: str) -> Path:
    """The type of an option that takes a file to write, "-" for standard output; refused before time is spent on it."""
    from partwise.storage.outputs import check_output

    if not value:
        raise click.BadParameter("an empty name is no file; standard output is -")
    if value != "-":
        check_output(Path(value))
    return Path(value)


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")

overrides = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=JSON",
    help="Change the recipe first: --set model.position=rope. May be repeated.",
)

start = click.option(
    "--start",
    type=directory,
    metavar="RUN",
    help="Begin with the weights of this run, in place of those that the recipe names; or where these are now.",
)


def with_start(overrides: tuple[str, ...], run: Path | None) -> tuple[str, ...]:
    """The changes to a recipe, with that of its start first."""
    import json

    from .runs import directory_of

    if run is None:
        return overrides
    return (f"start={json.dumps({'run': str(directory_of(str(run)))})}", *overrides)


device = click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="Where to compute.")

data = click.option(
    "--data",
    type=directory,
    metavar="DIR",
    help="Directory that names of data files are relative to, if they have moved.",
)

weights = click.option(
    "--weights",
    type=click.Choice(["last", "best"]),
    default="last",
    show_default=True,
    help="The final weights, or those of the checkpoint with the lowest validation loss.",
)

weight_map = click.option(
    "--map", "map_file", type=Path, metavar="FILE", help="Weight map; by default one that is found by the model_type."
)

recipe = click.argument("recipe", metavar="RECIPE")

run = click.argument("run", metavar="RUN")
