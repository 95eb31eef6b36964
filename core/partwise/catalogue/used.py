"""The recipes that are found by name, and the parts of each."""

from __future__ import annotations

from dataclasses import dataclass

from partwise.errors import PartwiseError
from partwise.parts.part import Part, parts_within
from partwise.parts.registry import registry
from partwise.recipe import Shipped, load, recipes
from partwise.rendering.text import lines


@dataclass(frozen=True)
class ReadRecipe:
    """A recipe by name."""

    name: str
    about: str
    source: str
    text: str
    """The content of the file."""
    parts: tuple[type[Part], ...]
    """Its parts, defaults included, each once, in the order of the catalogue; none if it is not valid."""
    problem: str | None
    """Why it is not valid with what is installed."""


def read_recipes() -> list[ReadRecipe]:
    """Every recipe that is found by name, including those that are not valid."""
    return [_read(shipped) for shipped in recipes()]


def _read(shipped: Shipped) -> ReadRecipe:
    parts, problem = set[type[Part]](), None
    try:
        parts = {type(part) for _, part in parts_within(load(shipped.path).recipe)}
    except PartwiseError as error:
        # Its first line names the place by an absolute path; the recipe's own name is enough here.
        problem = lines(str(error)).partition("\n")[0].replace(str(shipped.path.parent), "").lstrip("/\\")
    ordered = tuple(entry.part for entry in registry().entries() if entry.part in parts)
    try:
        text = shipped.path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        text = f"cannot be read: {error.strerror}"
    return ReadRecipe(shipped.name, lines(shipped.about), shipped.source, lines(text).rstrip(), ordered, problem)


__all__ = ["ReadRecipe", "read_recipes"]
