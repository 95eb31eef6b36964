"""A finished run becomes one with more updates to make: the same run, under the identity of its new recipe.

Nothing of the earlier training is lost or passed off as something else: metrics and checkpoints stay, the manifest says
how many updates were made under which identity, and the final weights, which the last checkpoint has too, make room for
those to come.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partwise.errors import InputError
from partwise.storage.atomic import json_text, read_json, write_json, write_text

from .identity import run_identity
from .layout import GOING_ON, LOCK, RECIPE, TOKENIZER, WEIGHTS
from .manifest import FileEntry, Manifest, Segment
from .run import Run


def go_on(directory: Path, recipe: Mapping[str, Any]) -> None:
    """Gives the finished run in `directory`, which nobody else trains, a recipe with more updates to make.

    A kill at any moment leaves the run as it was, or `settle` completes it.

    Raises:
        InputError: it is not finished, or has nothing to go on from.
        WorkError: a file of it is damaged, or it cannot be written.
    """
    run = Run.open(directory)
    refuse_nothing_to_go_on_from(run)
    segments = [vars(one) for one in run.segments]
    segments.append({"steps": run.step, "run": run_identity(run.recipe, run.lock.get("data"))})
    write_json(directory / GOING_ON, {"recipe": dict(recipe), "segments": segments})
    settle(directory)


def refuse_nothing_to_go_on_from(run: Run) -> None:
    """
    Raises:
        InputError: the run is not finished, or the checkpoint of its last update is not there.
    """
    place = run.directory
    if not run.finished:
        raise InputError(f"the run in {place} is not finished: it has made {run.step:,} updates")
    if "imported" in run.lock:
        raise InputError(
            f"the run in {place} was imported, and has no state of an optimizer to go on from; start another run from "
            f"its weights: partwise train RECIPE --start {place}"
        )
    made = max((row["step"] for row in run.rows()), default=0)
    if not made or run.step != made or not run.is_good(made):
        raise InputError(
            f"the run in {place} cannot go on, as the checkpoint of its last update is missing or damaged; start "
            f"another run from its weights: partwise train RECIPE --start {place}"
        )


def settle(directory: Path) -> None:
    """Completes what `go_on` had begun when it was stopped; does nothing otherwise.

    Raises:
        WorkError: a file is damaged, or cannot be written.
    """
    if not (directory / GOING_ON).is_file():
        return
    plan = read_json(directory / GOING_ON)
    recipe, lock = plan["recipe"], read_json(directory / LOCK)
    (directory / WEIGHTS).unlink(missing_ok=True)
    write_text(directory / RECIPE, json_text(recipe))
    files = {name: FileEntry.of_file(directory / name) for name in (RECIPE, TOKENIZER, LOCK)}
    segments = tuple(Segment(**one) for one in plan["segments"])
    Manifest(directory, files, run_identity(recipe, lock.get("data")), segments).write()
    (directory / GOING_ON).unlink()


__all__ = ["go_on", "refuse_nothing_to_go_on_from", "settle"]
