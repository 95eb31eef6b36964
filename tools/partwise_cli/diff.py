"""`partwise diff`: where two recipes differ once every default is written out."""

from __future__ import annotations

import json
from typing import Any

import click

from . import options
from .output import print_json, show_columns

MISSING = "-"


@click.command("diff")
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@options.overrides
@options.as_json
@click.pass_context
def command(context: click.Context, one: str, other: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show where two recipes differ, defaults included.

    Both are resolved first, so what counts is what would be trained, not how it is written. --set changes
    B. Ends with exit code 0 if they are the same, 1 if they differ and 2 if one is wrong, as diff(1) does.

    \b
    Examples:
      partwise diff gpt mine.json
      partwise diff gpt gpt --set model.position=rope
    """
    from partwise.recipe import differences, load

    found = differences(load(one).recipe, load(other, overrides).recipe)
    if as_json:
        print_json(found)
    elif not found:
        click.echo("they are the same")
    else:
        show_columns([("", "", "")], header=("where", one, other))
    context.exit(1 if found else 0)


def shown(value: Any) -> str:
    """A value as a recipe has it."""
    return json.dumps(value, ensure_ascii=False)
