"""A page for each kind of part: the slots that it fits, and its parts with their knobs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from partwise.catalogue.slots import slots
from partwise.catalogue.view import Catalogue, KindView, PartView

from . import markdown
from .keys import keys_of

CATALOGUE = "../../catalogue/"
"""The way from these pages to the catalogue."""


@cache
def _catalogue() -> Catalogue:
    return Catalogue()


def kinds() -> list[tuple[KindView, int]]:
    """All kinds that partwise has, each with the number of its parts, those of more special kinds included."""
    catalogue = _catalogue()
    built_in = [one for one in catalogue.kinds if one.type.__module__.split(".")[0].startswith("partwise")]
    return [(one, len(catalogue.fitting(one.type))) for one in built_in]


def pages() -> Mapping[str, str]:
    """The pages by the names of their files."""
    return {f"{kind.name}.md": _page(kind) for kind, _ in kinds()}


def _page(kind: KindView) -> str:
    special = [one.name for one in _catalogue().more_special(kind)]
    parts = [one for one in kind.parts if one.plugin.builtin]
    pieces = [f"# {kind.name}", markdown.plain(kind.about), _slots(kind)]
    if special:
        links = ", ".join(f"[{name}]({name}.md)" for name in special)
        pieces.append(f"What is more special fits as well, and has its own page: {links}.")
    for part in parts:
        pieces += _part(part)
    return markdown.page(*pieces)


def _slots(kind: KindView) -> str:
    """Where parts of the kind stand."""
    owners: dict[str, list[str]] = {}
    for one in slots():
        if issubclass(kind.type, one.kind):
            owner = "a recipe" if one.owner is None else f"`{one.owner.name}`"
            if owner not in owners.setdefault(one.knob, []):
                owners[one.knob].append(owner)
    if kind.name == "engine":
        owners["run"] = ["a study"]
    lines = [f"- `{knob}` of {', '.join(names)}" for knob, names in owners.items()]
    return "\n".join(["It stands at:", "", *lines]) if lines else ""


def _part(part: PartView) -> list[str]:
    former = f" Formerly {', '.join(f'`{name}`' for name in part.former)}." if part.former else ""
    line = part.line if part.line.endswith(".") else f"{part.line}."
    more = f"[In the catalogue]({CATALOGUE}{part.page})"
    knobs = keys_of(part.part, "") if part.part.model_fields else "It has no knobs."
    return [f"## {part.name}", f"{markdown.plain(line)}{former} {more}", knobs]


__all__ = ["kinds", "pages"]
