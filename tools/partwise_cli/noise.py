"""`partwise noise`: a recipe against itself, and what can be told apart from its noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from . import options
from .output import heading, paragraph, print_json, said, show_columns, write
from .text import visible

if TYPE_CHECKING:
    from partwise.studies.analysis.noise import Noise

CORRELATION = 0.5


def _share(value: str) -> float:
    """The type of an option that takes a correlation."""
    try:
        number = float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number") from None
    if not 0 <= number < 1:
        raise click.BadParameter(f"{value} is not from 0 to less than 1")
    return number


def _positive(value: str) -> float:
    """The type of an option that takes a difference."""
    try:
        number = float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a number") from None
    if not 0 < number < float("inf"):
        raise click.BadParameter(f"{value} is not a number greater than 0")
    return number


@click.command("noise")
@options.recipe
@options.overrides
@click.option("--seeds", type=options.whole(1), default=5, show_default=True, metavar="N", help="Seeds 0 to N - 1.")
@click.option(
    "--metric", default="loss", show_default=True, metavar="NAME", help="As in a study: bits_per_byte, loss ..."
)
@click.option("--split", type=click.Choice(["valid", "test", "train"]), help="Split that is measured; default: valid.")
@click.option("--context", type=options.whole(1), metavar="N", help="Length of the sequences it is measured on.")
@click.option(
    "--batches", type=options.whole(1), metavar="N", help="Batches it is measured on; default: the whole split."
)
@click.option("--effect", type=_positive, metavar="X", help="Also say how many seeds find a difference of X.")
@click.option(
    "--comparisons",
    type=options.whole(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Variants of the study that is planned: they share its error rate.",
)
@click.option(
    "--correlation",
    type=_share,
    default=str(CORRELATION),
    show_default=True,
    metavar="R",
    help="Assumed between two variants' runs of the same seed.",
)
@click.option("--out", type=options.directory, metavar="DIR", help="Keep the results there, not in studies/NAME-noise.")
@options.data
@click.option(
    "--slots", type=options.whole(1), metavar="N", help="Runs at once; default: as many as the machine has room for."
)
@click.option("--retry-failed", is_flag=True, help="Try again what failed before.")
@options.as_json
def command(
    recipe: str,
    overrides: tuple[str, ...],
    seeds: int,
    metric: str,
    split: Literal["valid", "test", "train"] | None,
    context: int | None,
    batches: int | None,
    effect: float | None,
    comparisons: int,
    correlation: float,
    out: Path | None,
    data: Path | None,
    slots: int | None,
    retry_failed: bool,
    as_json: bool,
) -> None:
    """Run a recipe against itself: how large is its noise?

    The same recipe is trained with several seeds. What these runs differ in is noise: no study finds a difference that
    is small beside it. Runs are shared with the studies beside it (studies/pool), so that the base of a study needs
    none again, and a run that is done is not done again.

    \b
    Examples:
      partwise noise gpt --seeds 5 --metric bits_per_byte
      partwise noise gpt --effect 0.02 --comparisons 4
    """
    from partwise.provenance.environment import command_line
    from partwise.recipe import load
    from partwise.studies.ablation import ablate
    from partwise.studies.analysis.noise import noise_of
    from partwise.studies.directories import study_directories
    from partwise.studies.noise import noise_plan, noise_study

    from .failures import fail
    from .study_progress import study_watcher

    loaded = load(recipe, overrides).with_data_in(data)
    asked = {"name": metric, "split": split, "context": context, "batches": batches}
    study = noise_study(loaded, asked)
    where = study_directories(study, out)
    plan = noise_plan(study, seeds, slots, said)
    said(f"{seeds} seeds of {study.base.recipe.name}, runs in {where.pool}")
    try:
        with study_watcher() as watcher:
            results = ablate(plan, where, watcher, None, retry_failed, command_line())
    except KeyboardInterrupt:
        fail("\ninterrupted: what is done is kept; the same command continues", 130)
    found = noise_of(results, correlation, comparisons, effect)
    if as_json:
        from dataclasses import asdict

        print_json({"recipe": loaded.recipe.name, "fingerprint": loaded.recipe.fingerprint(), **asdict(found)})
        return
    _show(visible(loaded.recipe.name), found)


def _show(name: str, found: Noise) -> None:
    from partwise.studies.analysis.noise import noise_words

    heading(f"{name} against itself")
    for sentence in noise_words(found):
        paragraph(sentence)
    write()
    rows = [(str(one.seeds), f"{one.unpaired:.3g}", f"{one.paired:.3g}") for one in found.detectable]
    header = ("seeds of each variant", "unpaired (bound)", f"paired, correlation {found.correlation:g}")
    show_columns(rows, header=header, right=(0, 1, 2))
