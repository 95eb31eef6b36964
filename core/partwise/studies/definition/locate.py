"""Which files are studies, and where they are: all that commands about recipes need to know about studies."""

from __future__ import annotations

import os
from pathlib import Path

from partwise.recipe import shipped
from partwise.recipe.files import STANDARD_INPUT, read, read_standard_input
from partwise.recipe.reader.problems import Problem, RejectedError, cut
from partwise.recipe.reader.source import Node
from partwise.recipe.suggestions import did_you_mean, nearest, short_list

KEYS = ("base", "factors", "variants", "design")
"""Keys that a study has and a recipe does not."""


def is_study(node: Node) -> bool:
    """Whether a file holds a study, rather than a recipe."""
    return any(key in node.members for key in KEYS)


def find_study(given: str | Path) -> Path:
    """The file of a study, given as a path or as a name with or without its folder (`positions`, `studies/positions`).

    Raises:
        RecipeError: there is no such study; names the nearest.
    """
    text = str(given)
    paths = shipped.paths() if isinstance(given, str) else {}
    short = {name.replace(f"{shipped.STUDIES}/", ""): path for name, path in paths.items() if shipped.is_study(name)}
    named = short.get(text) or paths.get(text)
    if named is not None:
        return named
    if text and "\0" not in text and os.path.exists(given):
        return Path(given)
    what = "no such file" if text.endswith(".json") else "no study of this name, and no file"
    notes = (f"studies: {short_list(nearest(text, short))}",) if short else ()
    raise RejectedError([Problem(f"{cut(text) or 'an empty name'}: {what}{did_you_mean(text, short)}", notes=notes)])


def holds_study(given: str) -> bool:
    """Whether this is the file or name of a study; also False if there is no such file, or it cannot be read."""
    try:
        return is_study(read_standard_input() if given == STANDARD_INPUT else read(find_study(given)))
    except RejectedError:
        return False


__all__ = ["find_study", "holds_study", "is_study"]
