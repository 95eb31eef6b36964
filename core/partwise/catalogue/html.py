"""The catalogue's pages. Each is self-contained: style, script and figures are inlined."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from itertools import groupby
from typing import TYPE_CHECKING

from markupsafe import Markup

from partwise.rendering.maths import equations
from partwise.rendering.page import environment, policy, styled
from partwise.rendering.text import lines
from partwise.wording import with_article

from . import prose
from .check_results import OUTCOMES
from .figures import figures
from .tries import command
from .view import Catalogue, PartView, anchor, recipe_page

if TYPE_CHECKING:
    from jinja2 import Environment


def pages(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """File name from the catalogue's directory -> page; the index comes last."""
    templates = _templates(catalogue)
    inner = {"inline": partial(prose.inline, find=partial(_page_of, catalogue, "../"))}
    inner["blocks"] = partial(prose.blocks, find=partial(_page_of, catalogue, "../"))
    part_page, recipe_template = templates.get_template("part.html"), templates.get_template("recipe.html")
    for part in catalogue.parts:
        yield (
            part.page,
            part_page.render(
                part=part,
                places=_places(catalogue, part),
                figures=figures(part.part),
                command=_command(part),
                trial=_trial(part),
                **inner,
            ),
        )
    for recipe in catalogue.recipes:
        parts = [one for one in catalogue.parts if one.part in recipe.parts]
        yield recipe_page(recipe.name), recipe_template.render(recipe=recipe, parts=parts, **inner)
    find = partial(prose.inline, find=partial(_page_of, catalogue, ""))
    yield "index.html", templates.get_template("index.html").render(inline=find)


def _templates(catalogue: Catalogue) -> Environment:
    package = "partwise.catalogue"
    templates = environment(package)
    style, script = (styled(f"page.{kind}") + styled(f"catalogue.{kind}", package) for kind in ("css", "js"))
    templates.finalize = _printable
    templates.globals |= {
        "a": lambda noun: with_article(noun).partition(" ")[0],
        "anchor": anchor,
        "catalogue": catalogue,
        "equations": equations,
        "outcomes": OUTCOMES,
        "policy": policy(script),
        "recipe_page": recipe_page,
        "release": version("partwise"),
        "script": Markup(script),
        "style": Markup(style),
    }
    return templates


def _printable(value: object) -> object:
    """Names come from plugins and may hold control characters; markup was made here and is safe."""
    return lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _page_of(catalogue: Catalogue, up: str, name: str) -> str | None:
    """The address of the page about the part that a docstring names."""
    part = catalogue.called(name)
    return None if part is None else up + part.page


def _places(catalogue: Catalogue, part: PartView) -> list[tuple[PartView | None, list[str]]]:
    """The slots that it fits: each owner (None is the recipe itself) with its knobs."""
    grouped = groupby(part.fitting, key=lambda slot: slot.owner)
    return [
        (catalogue.view_of(owner.part) if owner else None, [slot.knob for slot in slots]) for owner, slots in grouped
    ]


def _trial(part: PartView) -> str | None:
    """A command that trains a model with the part: in a recipe that is changed for it, or else one that has it."""
    if not part.plugin.builtin:
        return None  # what a plugin's part needs beside it is not known here
    shipped = (recipe.name for recipe in part.recipes if recipe.source == "partwise" and recipe.problem is None)
    has_it = next(shipped, None)
    return command(part.part, part.fitting) or (f"partwise train {shlex.quote(has_it)}" if has_it else None)


def _command(part: PartView) -> str:
    return f"partwise verify {shlex.quote(part.name)} --kind {shlex.quote(part.kind)}"


__all__ = ["pages"]
