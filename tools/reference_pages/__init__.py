"""The site's reference pages that are read off the code: every command, every key of recipes and studies, every part.

`make docs` writes them; none is kept in docs/, so that none can be out of date.

markdown    tables, and text that stands as it is
keys        the keys of a file, from its pydantic model
commands    the command line, from click's own description of it
recipes, studies, parts, words      a page each; `parts` has one for each kind
"""

from __future__ import annotations

from collections.abc import Mapping

from . import commands, parts, recipes, studies, words

PLACE = "reference"
"""Where the pages lie on the site."""


def reference_pages() -> Mapping[str, str]:
    """Every page, by its place on the site."""
    found = {
        "commands.md": commands.page(),
        "recipes.md": recipes.page(),
        "studies.md": studies.page(),
        "words.md": words.page(),
        **{f"parts/{name}": text for name, text in parts.pages().items()},
    }
    return {f"{PLACE}/{name}": text for name, text in found.items()}


__all__ = ["PLACE", "reference_pages"]
