"""`partwise inspect`: what a model is made of, and what it costs, without its weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from . import options
from .output import console, heading, print_json, show_columns
from .text import in_bytes, in_words

if TYPE_CHECKING:
    from partwise.inspection import Inspection, Row


@click.command("inspect")
@options.recipe
@options.overrides
@click.option("--vocabulary", type=click.IntRange(min=1), metavar="N", help="Tokens, where only the text can tell.")
@options.as_json
def command(recipe: str, overrides: tuple[str, ...], vocabulary: int | None, as_json: bool) -> None:
    """Show a recipe's model: its modules, shapes, parameters and costs.

    No memory is taken for weights, so a model of any size can be inspected. Shapes name B for the batch,
    T for positions and, where a source is read, M for its positions.

    \b
    Examples:
      partwise inspect gpt
      partwise inspect families/llama3-8b --json
    """
    from partwise import workflow
    from partwise.recipe import load

    loaded = load(recipe, overrides)
    found = workflow.inspect(loaded, vocabulary)
    exact = workflow.planned_vocabulary(loaded.recipe)[1]
    source = "given" if vocabulary else "exact" if exact else "assumed"
    if as_json:
        print_json({"name": loaded.recipe.name, **asdict(found), "vocabulary_is": source})
        return
    heading(f"{loaded.recipe.name}: {loaded.recipe.about}" if loaded.recipe.about else loaded.recipe.name)
    click.echo()
    show_columns(_tree(found), header=("module", "output", "parameters", "share", "weights"), right=(2, 3))
    click.echo()
    show_columns(_totals(found, source), right=())


def _tree(found: Inspection) -> list[tuple[str, ...]]:
    return [
        (label, _shape(row.output), f"{row.parameters:,}" if row.parameters else "", _share(row, found), _weights(row))
        for row, label in zip(found.rows, _labels(found.rows), strict=True)
    ]
