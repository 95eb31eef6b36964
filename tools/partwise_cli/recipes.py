"""`partwise recipes`: the recipes that are found by name."""

from __future__ import annotations

import click

from . import options
from .output import print_json, show_columns


@click.command("recipes")
@options.as_json
def command(as_json: bool) -> None:
    """List the recipes that come with partwise and with plugins.

    A name stands wherever a command takes a RECIPE, and in "extends".

    \b
    Examples:
      partwise recipes
      partwise train char-rnn
    """
    from partwise.recipe.shipped import recipes

    found = recipes()
    if as_json:
        print_json([{"name": r.name, "about": r.about, "source": r.source, "path": str(r.path)} for r in found])
        return
    show_columns([(r.name, r.about if r.source == "partwise" else f"{r.about} [{r.source}]") for r in found])
