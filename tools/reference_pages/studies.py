"""The page of a study's keys."""

from __future__ import annotations

import inspect

from partwise.studies.definition.study import Study

from . import markdown
from .keys import keys_of, models_within

HEAD = """\
Every key that a study file may have. [What a study file may say](../studies.md) explains them by example, and
[Designs](../designs.md) has a command that writes a file for each design. `partwise schema --study --out
study.schema.json` writes the same for an editor; `partwise check FILE` finds every mistake in a file."""


def page() -> str:
    """The text of the page."""
    pieces = ["# Study files", HEAD, "## Keys", keys_of(Study, "parts/")]
    for path, model in models_within(Study):
        pieces += [f"## {path}", markdown.plain(inspect.getdoc(model) or ""), keys_of(model, "parts/")]
    return markdown.page(*pieces)


__all__ = ["page"]
