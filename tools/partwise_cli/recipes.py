"""`partwise recipes`: the recipes and studies that are found by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import options
from .output import heading, print_json, show_columns, write

if TYPE_CHECKING:
    from partwise.recipe import Shipped


@click.command("recipes")
@click.option("--studies", "only_studies", is_flag=True, help="List studies only; with --json, instead of recipes.")
@options.as_json
def command(only_studies: bool, as_json: bool) -> None:
    """List the recipes and studies that are found by name.

    Use a name wherever a command takes a RECIPE (or, for a study, a STUDY), and in "extends" and "base".

    \b
    Examples:
      partwise recipes
      partwise train char-rnn
      partwise ablate positions
    """
    from partwise.recipe.listing import recipes, studies
    from partwise.recipe.shipped import STUDIES

    found = studies() if only_studies else recipes()
    if as_json:
        print_json([{"name": r.name, "about": r.about, "source": r.source, "path": str(r.path)} for r in found])
        return
    if not only_studies:
        show_columns([(one.name, _about(one)) for one in found])
        found = studies()
        if not found:
            return
        write()
        heading("studies")
    show_columns([(one.name.replace(f"{STUDIES}/", ""), _about(one)) for one in found])


def _about(one: Shipped) -> str:
    return one.about if one.source == "partwise" else f"{one.about} [{one.source}]"
