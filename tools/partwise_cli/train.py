"""`partwise train`: from a recipe to a run."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from . import options
from .failures import fail
from .output import heading, print_json, said, show_columns, write
from .text import visible

if TYPE_CHECKING:
    from partwise.recipe import LoadedRecipe
    from partwise.runs import Run
    from partwise.training import Decoration

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
    data: Path | None,
    device: str,
    profile: int | None,
    as_json: bool,
) -> None:
    """Train a recipe: a file, or a name that `partwise recipes` lists.

    Writes a run directory with the weights, the tokenizer and the figures. If it is interrupted, the same
    command continues it, and the result is as if it had never stopped. With --json, progress goes to stderr.
    Under torchrun several processes train together; trainer.parallel says how.

    \b
    Examples:
      partwise train gpt
      partwise train gpt --set model.position=rope --set trainer.steps=200
      partwise train mine.json --seed 1 --out runs/mine
      partwise train mine.json --start runs/gpt-1f0c2d3e4b-s0 --set adapter=lora
      torchrun --nproc-per-node 2 -m partwise_cli train gpt
    """
    from partwise.recipe import load
    from partwise.training import Decoration, one_error_message, speaks_to_user

    from .figures import before_and_after, comparison

    with one_error_message():
        loaded = load(recipe, options.with_start(overrides, start)).with_data_in(data)
    run, started_at = _train(loaded, seed, out, device, profile, stderr=as_json)
    if not speaks_to_user():
        return
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
    asking = f" --prompt {quote(visible(prompt))}" if prompt else ""
    verb = "generate" if loaded.recipe.objective.causal else "evaluate"
    write(f"\nrun:  {run.directory}\nnext: partwise {verb} {quote(str(run.directory))}{asking}")


def _train(
    loaded: LoadedRecipe, seed: int | None, out: Path | None, device: str, profile: int | None, stderr: bool
) -> tuple[Run, int | None]:
    """The finished run, and how many updates had been made before this command; None if all of them."""
    from partwise import workflow
    from partwise.training import one_error_message, speaks_to_user

    from .progress import watcher

    directory = out or workflow.default_directory(loaded, seed)
    with watcher(stderr) as watching:
        if speaks_to_user():
            watching.say(f"training {loaded.recipe.name} in {directory}")
        try:
            with one_error_message():
                run = workflow.train(loaded, directory, seed, device, watching.report, watching.say, profile or 0)
        except KeyboardInterrupt:
            fail(f"\ninterrupted: {_kept(directory)}; the same command continues", 130)
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
