"""The slots there are, and which parts fit in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from partwise.parts.part import Part
from partwise.parts.registry import RegisteredPart, registry
from partwise.parts.shapes import bare_of, members, shape_of
from partwise.recipe.knob_types import kind_at
from partwise.recipe.recipe import Recipe


@dataclass(frozen=True)
class OwnedSlot:
    """A slot: `mixer` of `pre_norm`, or `model` of the recipe itself."""

    owner: RegisteredPart | None
    """None: the recipe."""
    knob: str
    kind: type[Part]
    several: bool
    """Whether it holds a list of them."""


def slots() -> list[OwnedSlot]:
    """Every slot of the recipe and, after these, of the registered parts."""
    return [*_slots(None, Recipe), *(slot for entry in registry().entries() for slot in _slots(entry, entry.part))]


def _slots(owner: RegisteredPart | None, model: type[BaseModel]) -> Iterator[OwnedSlot]:
    for knob, field in model.model_fields.items():
        for kind in kinds_within(shape_of(field)):
            yield OwnedSlot(owner, knob, kind, kind_at(shape_of(field)) is None)


def kinds_within(shape: Any) -> list[type[Part]]:
    """The kinds of part that may stand somewhere in a value of this shape: itself, or in a list."""
    found: dict[type[Part], None] = {}
    for member in members(shape):
        bare = bare_of(member)
        if isinstance(bare, type) and issubclass(bare, Part):
            found[bare] = None
        else:
            found |= dict.fromkeys(kind for inner in get_args(bare) for kind in _kinds_in(inner))
    return list(found)


def _kinds_in(shape: Any) -> list[type[Part]]:
    return [] if shape is Ellipsis or isinstance(shape, str | int | float | bool) else kinds_within(shape)


def slots_for(part: type[Part], every: list[OwnedSlot]) -> list[OwnedSlot]:
    """Those slots of `every` that a part fits."""
    return [slot for slot in every if issubclass(part, slot.kind)]


__all__ = ["OwnedSlot", "kinds_within", "slots", "slots_for"]
