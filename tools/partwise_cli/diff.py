"""`partwise diff`: where two recipes differ once every default is written out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from . import options
from .output import heading, print_json, show_line, write

if TYPE_CHECKING:
    from partwise.recipe import Difference


@click.command("diff")
@click.argument("left", metavar="A")
@click.argument("right", metavar="[B]", required=False)
@options.overrides
@options.as_json
@click.pass_context
def command(context: click.Context, left: str, right: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show where recipe B differs from recipe A, defaults included.

    Both are resolved first: what counts is what would be trained, not how it is written. --set changes B, or A
    itself if there is no B. As with diff(1), the exit code is 0 if they are the same, 1 if they differ and 2 if
    one of them is wrong.

    \b
    Examples:
      partwise diff gpt mine.json
      partwise diff gpt --set model.position=rope
    """
    from partwise.recipe import differences, load

    if right is None and not overrides:
        raise click.UsageError("nothing to compare A with; name a recipe B, or change A with --set PATH=JSON")
    found = differences(load(left), load(right or left, overrides))
    if as_json:
        print_json([_described(one) for one in found])
    elif not found:
        write("no difference")
    else:
        changes = "".join(f" --set {one}" for one in overrides)
        _show(found, left, f"{right or left}{changes}")
    context.exit(1 if found else 0)


def _show(found: list[Difference], left: str, right: str) -> None:
    from partwise.recipe import ABSENT

    show_line("---", left, "bold red")
    show_line("+++", right, "bold green")
    for one in found:
        heading(".".join(map(str, one.path)))
        for sign, side, style in (("-", one.left, "red"), ("+", one.right, "green")):
            if side is not ABSENT:
                show_line(sign, json.dumps(side, ensure_ascii=False), style)


def _described(one: Difference) -> dict[str, Any]:
    """A difference as JSON; a side that lacks the place is null, and `only_in` names the other side."""
    from partwise.recipe import ABSENT

    left, right = (None if side is ABSENT else side for side in (one.left, one.right))
    only_in = "a" if one.right is ABSENT else "b" if one.left is ABSENT else None
    return {"path": list(one.path), "a": left, "b": right, "only_in": only_in}
