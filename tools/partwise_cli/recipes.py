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
@click.option("--families", "only_families", is_flag=True, help="List the public families that can be imported.")
@options.as_json
def command(only_studies: bool, only_families: bool, as_json: bool) -> None:
    """List the recipes, studies and families found by name.

    Use a name wherever a command takes a RECIPE (or, for a study, a STUDY), and in "extends" and "base".

    \b
    Examples:
      partwise recipes
      partwise recipes --families
      partwise train char-rnn
      partwise ablate positions
    """
    if only_families:
        if only_studies:
            raise click.UsageError("--studies and --families ask for two lists; give one of them")
        _list_families(as_json)
        return
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


def _list_families(as_json: bool) -> None:
    from partwise.huggingface.families import broken, families

    found = families()
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "model_type": one.model_type,
                    "architecture": one.architecture,
                    "about": one.about,
                    "recipe": one.recipe,
                    "settings": one.config is not None,
                    "path": str(one.file),
                }
                for name, one in found.items()
            ]
        )
        return
    header = ("family", "model_type", "what it is")
    rows = [
        (name, one.model_type, one.about if one.config else f"{one.about} [tensors only]")
        for name, one in found.items()
    ]
    show_columns(rows, header, wraps=2)
    for name in broken():
        write(f"note: the map of {name} does not hold; partwise check tells why", err=True)


def _about(one: Shipped) -> str:
    return one.about if one.source == "partwise" else f"{one.about} [{one.source}]"
