"""A run goes on: where it was interrupted or, once it is finished, with more updates than its recipe had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from partwise.errors import InputError, RecipeError
from partwise.machine import torch_device
from partwise.recipe import LoadedRecipe
from partwise.runs.going_on import go_on, refuse_nothing_to_go_on_from, settle
from partwise.runs.run import Run, alone_in
from partwise.training.distributed import local_device, process_group
from partwise.training.protocols import Progress
from partwise.wording import many

from .placing import at
from .preparation import check, prepare
from .reopening import recipe_of
from .sites import restored
from .training import Watching, train_together

Say = Callable[[str], None]
Anew = Literal["anew", "on"]


def continue_run(
    directory: Path,
    steps: int | None = None,
    schedule: Anew = "anew",
    data: Path | None = None,
    device: str = "auto",
    report: Callable[[Progress], None] = lambda progress: None,
    say: Say = lambda line: None,
    profile: int = 0,
) -> Run:
    """Trains a run to its end, by its own recipe, wherever that is; or a finished one for longer.

    Args:
        directory: of the run.
        steps: further updates. They make a new segment of the run, which is then one of the longer recipe: its
            schedule has a piece for each segment, and trained at once it would end with the same bits. Given again
            for a run that was interrupted in that segment, they are not added once more.
        schedule: whether the learning rate begins anew in the new segment, or goes on as if all had been planned.
        data: the directory that names of data files are relative to now, if they have moved.
        device, report, say, profile: as for `train`.

    Raises:
        PartwiseError: see its subclasses; nothing has changed if the run cannot go on.
    """
    chosen = local_device(torch_device(device))
    with process_group(chosen) as processes:
        own = _ready(directory, steps, schedule, data, say) if processes.first else None
        recipe, tokenizer, lock = processes.from_first(own) or ({}, {}, {})
        loaded = recipe_of(Run(directory, recipe, tokenizer, lock), data)
        restored_tokenizer = restored(loaded.recipe.tokenizer, tokenizer)
        return train_together(loaded, directory, processes, Watching(chosen, report, say, profile), restored_tokenizer)


def _ready(
    directory: Path, steps: int | None, schedule: Anew, data: Path | None, say: Say
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Recipe, tokenizer and lock of the run, which may be trained now."""
    with alone_in(_a_run(directory)):
        settle(directory)
        run = Run.open(directory)
        if steps is not None and not run.finished:
            _refuse_other_steps(run, steps)
        elif steps is not None:
            refuse_nothing_to_go_on_from(run)
            longer = _longer(run, steps, schedule, data)
            how = "begins anew" if schedule == "anew" else "goes on as if all updates had been planned"
            say(f"going on from update {run.step:,} for {many(steps, 'update')}; the learning rate {how}")
            go_on(directory, longer.recipe.resolved())
            run = Run.open(directory)
    return run.recipe, run.tokenizer, run.lock


def _a_run(directory: Path) -> Path:
    """
    Raises:
        InputError: there is no run there; its directory is not made, then.
    """
    if not directory.is_dir():
        raise InputError(f"{directory} holds no run: there is no such directory")
    return directory


def _refuse_other_steps(run: Run, steps: int) -> None:
    """
    Raises:
        InputError: the run is not finished, and these are not the updates that it was about to make.
    """
    done = run.segments[-1].steps if run.segments else 0
    planned = run.recipe["trainer"].get("steps")
    if not run.segments or not isinstance(planned, int) or planned - done != steps:
        has = f"of {planned:,}" if isinstance(planned, int) else "so far"
        raise InputError(
            f"the run in {run.directory} is not finished: it has made {run.step:,} updates {has}; finish it first: "
            f"partwise train {run.directory}"
        )


def _longer(run: Run, steps: int, schedule: Anew, data: Path | None) -> LoadedRecipe:
    """The recipe of the run, with more updates; all of it has been checked.

    Raises:
        RecipeError: it cannot train for longer, or not so long.
        InputError: its data are not what they were.
    """
    loaded = recipe_of(run, data)
    try:
        longer = _checked(loaded, steps, schedule, run.directory)
    except RecipeError as error:
        way_out = _way_out(loaded, steps, schedule, run.directory)
        raise InputError(
            f"the run in {run.directory} cannot go on for {many(steps, 'update')}: {error}{way_out}"
        ) from error
    prepared = prepare(longer, tokenizer=restored(loaded.recipe.tokenizer, run.tokenizer))
    if prepared.data_hash != run.lock.get("data"):
        raise InputError(
            f"the data has changed since the run in {run.directory} was trained; to learn from other data, start "
            f"another run from its weights: partwise train RECIPE --start {run.directory}"
        )
    return longer


def _checked(loaded: LoadedRecipe, steps: int, schedule: Anew, directory: Path) -> LoadedRecipe:
    """The recipe with more updates.

    Raises:
        RecipeError: it cannot train for longer, or not so long.
    """
    with at(loaded, "trainer"):
        trainer = loaded.recipe.trainer.longer(steps, schedule)
    longer = replace(loaded, recipe=loaded.recipe.model_copy(update={"trainer": trainer}))
    check(longer, directory)
    return longer


def _way_out(loaded: LoadedRecipe, steps: int, schedule: Anew, directory: Path) -> str:
    """What to do where the learning rate cannot begin anew, but can go on; else nothing."""
    try:
        if schedule == "on":
            return ""
        _checked(loaded, steps, "on", directory)
    except RecipeError:
        return ""
    return "\n  or let the learning rate go on, as if all updates had been planned: --schedule on"


__all__ = ["continue_run"]
