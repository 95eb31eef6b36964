"""The page of a recipe's keys."""

from __future__ import annotations

import inspect

from partwise.recipe.recipe import Recipe
from partwise.recipe.schema import json_schema

from . import markdown
from .keys import keys_of, models_within
from .parts import kinds

HEAD = """\
Every key that a recipe may have. `partwise schema --out recipe.schema.json` writes the same for an editor, third-party
parts included, and `partwise check FILE` finds every mistake in a file. [Swapping parts](../swapping.md) shows how to
change one."""
PARTS = """\
A key that takes a part has the part's name, `"position": "rope"`, or an object that says its knobs, too: `"position":
{"use": "rope", "base": 50000}`. A part's own slots take parts in the same way. Where the object has a `version`, the
knobs are those of that version of the part. These are all kinds; each has a page with its parts, their knobs, defaults
and bounds. [The catalogue](../catalogue/index.html) has a page for each part, with formula, paper and figures."""


def page() -> str:
    """The text of the page."""
    extends = json_schema()["$defs"]["recipe-patch"]["properties"]["extends"]["description"]
    pieces = ["# Recipes", HEAD, "## Keys", keys_of(Recipe, "parts/")]
    for path, model in models_within(Recipe):
        pieces += [f"## {path}", markdown.plain(inspect.getdoc(model) or ""), keys_of(model, "parts/")]
    pieces += [
        "## Changing another recipe",
        f"`extends`: {markdown.plain(extends)} No key is required then. `$schema` is read by editors only.",
        "## Parts",
        PARTS,
        markdown.table(
            ("kind", "what it is", "parts"),
            [(f"[{one.name}](parts/{one.name}.md)", markdown.plain(one.about), str(count)) for one, count in kinds()],
        ),
    ]
    return markdown.page(*pieces)


__all__ = ["page"]
