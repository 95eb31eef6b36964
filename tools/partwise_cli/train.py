"""`partwise train`: from a recipe to a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal

import click

from partwise.errors import InputError

from . import options
from .failures import fail
from .output import heading, print_json, said, show_columns, write
from .text import visible

if TYPE_CHECKING:
    from partwise.runs import Run
    from partwise.training import Decoration, Progress

    from .samples import Sample


@click.command("train")
@options.recipe
@options.overrides
@click.option("--seed", type=options.whole(0), metavar="N", help="Seed of everything random, in place of the recipe's.")
@click.option(
    "--out",
    type=options.directory,
    metavar="DIR",
    help="Directory of the run, in place of runs/NAME-FINGERPRINT-sSEED.",
)
@options.start
@click.option(
    "--steps",
    type=options.whole(1),
    metavar="N",
    help="Train a finished RUN for so many more updates, as a new segment.",
)
@click.option(
    "--schedule",
    type=click.Choice(["anew", "on"]),
    help="In a new segment, the learning rate begins anew (default), or goes on as if all had been planned.",
)
@options.data
@options.device
@click.option(
    "--profile",
    type=options.whole(1),
    metavar="STEPS",
    help="Profile this many steps; the trace is written to trace.json in the run's directory.",
)
@options.as_json
def command(
    recipe: str,
    overrides: tuple[str, ...],
    seed: int | None,
    out: Path | None,
    start: Path | None,
    steps: int | None,
    schedule: Literal["anew", "on"] | None,
    data: Path | None,
    device: str,
    profile: int | None,
    as_json: bool,
) -> None:
    """Train a recipe (a file, or a name), or a run further.

    Writes a run directory with the weights, the tokenizer and the figures. If it is interrupted, the same
    command continues it, and the result is as if it had never stopped. With --json, progress goes to stderr.
    Under torchrun several processes train together; trainer.parallel says how.

    Given the directory of a run instead of a recipe, it continues that run; once it is finished, --steps trains
    it for longer.

    \b
    Examples:
      partwise train gpt
      partwise train gpt --set model.position=rope --set trainer.steps=200
      partwise train mine.json --seed 1 --out runs/mine
      partwise train mine.json --start runs/gpt-1f0c2d3e4b-s0 --set adapter=lora
      partwise train runs/gpt-1f0c2d3e4b-s0 --steps 300
      torchrun --nproc-per-node 2 -m partwise_cli train gpt
    """
    from partwise.training import Decoration, one_error_message, speaks_to_user

    from .figures import before_and_after, comparison

    with one_error_message():
        if _is_run(recipe):
            others = {"set": overrides, "seed": seed, "out": out, "start": start}
            _refuse(f"{recipe} is a run, which has a recipe of its own", others)
            training = _continued(Path(recipe), steps, schedule, data, device, profile)
        else:
            from .runs import hint_of_run

            _refuse(f"{recipe} is no run{hint_of_run(recipe)}", {"steps": steps, "schedule": schedule})
            training = _of_recipe(recipe, options.with_start(overrides, start), seed, out, data, device, profile)
    run, started_at = _train(training, stderr=as_json)
    if not speaks_to_user():
        return
    from .samples import Reply

    decoration = Decoration(said)
    before, after = decoration("the comparison", lambda: before_and_after(run.rows())) or ({}, {})
    if as_json:
        print_json(_described(run, started_at, before, after, _samples(run, device, data, decoration)))
        return
    write()
    if before or after:
        show_columns(comparison(before, after), header=("", "before", "after"), right=(1, 2))
    samples = _samples(run, device, data, decoration)
    if samples:
        heading("\nsample")
    prompt = ""
    for sample in samples:
        prompt = prompt or sample.prompt
        write(f"{sample}")
    chats = any(isinstance(sample, Reply) for sample in samples)
    asking = " --chat" if chats else f" --prompt {quote(visible(prompt))}" if prompt else ""
    verb = "generate" if training.causal else "evaluate"
    write(f"\nrun:  {run.directory}\nnext: partwise {verb} {quote(str(run.directory))}{asking}")


@dataclass(frozen=True)
class _Training:
    """What is to be trained, and the call that does it."""

    name: str
    directory: Path
    causal: bool
    train: Callable[[Callable[[Progress], None], Callable[[str], None]], Run]
    """Given who is told of progress, and of what is worth knowing."""


def _is_run(text: str) -> bool:
    """Whether it is the directory of a run; the same name may be that of a recipe, which comes first."""
    from partwise.recipe.shipped import names

    try:
        return text not in names() and (Path(text) / "recipe.json").is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def _refuse(why: str, given: Mapping[str, Any]) -> None:
    """
    Raises:
        InputError: an option is given that has no meaning for what is to be trained.
    """
    for name, value in given.items():
        if value not in (None, ()):
            raise InputError(f"--{name} has no meaning here: {why}")


def _of_recipe(
    recipe: str,
    overrides: tuple[str, ...],
    seed: int | None,
    out: Path | None,
    data: Path | None,
    device: str,
    profile: int | None,
) -> _Training:
    from partwise import workflow
    from partwise.recipe import load

    loaded = load(recipe, overrides).with_data_in(data)
    directory = out or workflow.default_directory(loaded, seed)
    return _Training(
        loaded.recipe.name,
        directory,
        loaded.recipe.objective.causal,
        lambda report, say: workflow.train(loaded, directory, seed, device, report, say, profile or 0),
    )


def _continued(
    directory: Path,
    steps: int | None,
    schedule: Literal["anew", "on"] | None,
    data: Path | None,
    device: str,
    profile: int | None,
) -> _Training:
    from partwise import workflow
    from partwise.recipe import load
    from partwise.storage.atomic import read_json

    if steps is None:
        _refuse("it is for the segment that --steps adds", {"schedule": schedule})
    recipe = read_json(directory / "recipe.json")
    return _Training(
        str(recipe.get("name", directory.name)),
        directory,
        load(recipe).recipe.objective.causal,
        lambda report, say: workflow.continue_run(
            directory, steps, schedule or "anew", data, device, report, say, profile or 0
        ),
    )


def _train(training: _Training, stderr: bool) -> tuple[Run, int | None]:
    """The finished run, and how many updates had been made before this command; None if all of them."""
    from partwise.training import one_error_message, speaks_to_user

    from .progress import watcher

    with watcher(stderr) as watching:
        if speaks_to_user():
            watching.say(f"reading the data of {training.name}")
        try:
            with one_error_message():
                run = training.train(watching.report, watching.say)
        except KeyboardInterrupt:
            fail(f"\ninterrupted: {_kept(training.directory)}; the same command continues", 130)
    return run, watching.started_at


def _kept(directory: Path) -> str:
    """How far an interrupted run came, in words."""
    from partwise import PartwiseError
    from partwise.runs import Run

    try:
        step = Run.open(directory).step
    except PartwiseError:  # interrupted before there was a run
        step = 0
    return f"step {step} is kept" if step else "nothing was kept yet"


def _samples(run: Run, device: str, data: Path | None, decoration: Decoration) -> list[Sample]:
    """What the model writes; the run is finished whether or not it can be shown."""
    from partwise import workflow

    from .samples import samples

    return decoration("the sample", lambda: list(samples(workflow.reopen(run.directory, device, data=data)))) or []


def _described(run: Run, started_at: int | None, before: Any, after: Any, samples: list[Sample]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "run": str(run.directory),
        "name": run.recipe["name"],
        "seed": run.recipe["seed"],
        "was_finished": started_at is None,
        "continued_from": started_at,
        "before": before,
        "after": after,
        "samples": [asdict(sample) for sample in samples],
    }
