"""`partwise evaluate`: how good a trained run is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .figures import show_judged
from .output import print_json, show_columns, write
from .runs import directory_of
from .text import figure

if TYPE_CHECKING:
    from partwise.data import Split
    from partwise.training import Metrics
    from partwise.workflow import Reopened
    from partwise.workflow.reopening import Weights


@click.command("evaluate")
@options.run
@click.option(
    "--split",
    type=click.Choice(["valid", "test", "train"]),
    default="valid",
    show_default=True,
    help="Split to evaluate on.",
)
@click.option("--limit", type=options.whole(1), metavar="N", help="Batches at most; default: all.")
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="FILE|NAME",
    help="Run an evaluation of the run's recipe, or those in a JSON file, instead; may be repeated.",
)
@options.data
@options.weights
@options.device
@options.as_json
def command(
    run: str,
    split: Split,
    limit: int | None,
    others: tuple[str, ...],
    data: Path | None,
    weights: Weights,
    device: str,
    as_json: bool,
) -> None:
    """Measure loss, perplexity and bits per byte of a trained run.

    Bits per byte is the one figure that compares models with different tokenizers. If the data are examples with
    an answer, not running text, the accuracy is measured as well.

    --with runs evaluations instead: one of the run's recipe by its name, or those in a file, such as
    {"cloze": {"use": "choices", "file": "questions.jsonl"}}. Their figures are kept in judged.jsonl in the run, and
    shown by `partwise runs` and `partwise show`.

    \b
    Examples:
      partwise evaluate runs/gpt-1f0c2d3e4b-s0 --split test
      partwise evaluate runs/gpt-1f0c2d3e4b-s0 --with evaluations.json
    """
    from partwise import workflow

    reopened = workflow.reopen(directory_of(run), device, weights, data)
    for change in reopened.changes():
        write(f"note: since this run was trained, {change}", err=True)
    if others:
        _judge(reopened, others, weights, as_json)
        return
    metrics = workflow.evaluate(reopened, split, limit)
    if as_json:
        print_json({"run": str(reopened.run.directory), "split": split, **_described(metrics)})
        return
    rows = [
        ("loss", figure(metrics.loss), "nats per token"),
        ("perplexity", figure(metrics.perplexity), ""),
        ("bits per byte", figure(metrics.bits_per_byte), ""),
        *([] if metrics.accuracy is None else [("accuracy", f"{metrics.accuracy:.1%}", "of tokens held most likely")]),
        ("tokens", f"{metrics.tokens:,}", f"of the {split} split"),
    ]
    show_columns(rows, right=(1,))
    if metrics.members:
        write()
        _show_members(metrics)


def _show_members(metrics: Metrics) -> None:
    """A row for each member of a mixture."""
    answers = metrics.accuracy is not None
    header = ("member", "loss", "bits per byte", *(["accuracy"] if answers else []), "tokens")
    rows = [
        (
            name,
            figure(one.loss),
            figure(one.bits_per_byte),
            *([f"{one.accuracy:.1%}"] if one.accuracy is not None else []),
            f"{one.tokens:,}",
        )
        for name, one in metrics.members.items()
    ]
    show_columns(rows, header, right=tuple(range(1, len(header))))


def _described(metrics: Metrics) -> dict[str, Any]:
    names = ("loss", "perplexity", "bits_per_byte", "tokens", "accuracy")
    found: dict[str, Any] = {name: getattr(metrics, name) for name in names}
    members = {name: _described(one) for name, one in metrics.members.items()}
    return {**found, "members": members} if members else found


def _judge(reopened: Reopened, others: tuple[str, ...], weights: Weights, as_json: bool) -> None:
    """Shows the figures of evaluations, and keeps them with the run."""
    from partwise import WorkError, workflow

    found = workflow.judge(reopened, others, say=lambda line: write(line, err=True))
    try:
        workflow.keep(reopened, found, weights)
    except WorkError as error:  # a run of somebody else's, say
        write(f"note: these figures are not kept with the run: {error}", err=True)
    if as_json:
        told = {name: {**vars(one.figure), "goal": one.goal, "by": one.by} for name, one in found.items()}
        print_json({"run": str(reopened.run.directory), "figures": told})
        return
    show_judged("figure", ((name, one.figure, one.goal) for name, one in found.items()))
