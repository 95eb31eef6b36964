"""Where parts go: the slots there are, what fits in them, and how a recipe writes a part down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from partwise.parts.part import Part, kinds_of
from partwise.parts.registry import RegisteredPart, registry
from partwise.recipe.knob_types import bare_of, kind_at, members, shape_of
from partwise.recipe.recipe import Recipe
from partwise.rendering.text import UNPRINTABLE


@dataclass(frozen=True)
class Place:
    """A knob that holds parts: `mixer` of `pre_norm`, or `model` of the recipe itself."""

    owner: RegisteredPart | None
    """None: the recipe."""
    knob: str
    kind: type[Part]
    several: bool
    """Whether it holds a list of them."""


def places() -> list[Place]:
    """Every place for a part, those of recipes first."""
    return [*_places(None, Recipe), *(place for entry in registry().entries() for place in _places(entry, entry.part))]


def _places(owner: RegisteredPart | None, model: type[BaseModel]) -> Iterator[Place]:
    for knob, field in model.model_fields.items():
        for kind in kinds_within(shape_of(field)):
            yield Place(owner, knob, kind, kind_at(shape_of(field)) is None)


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


def taking(part: type[Part], all_places: list[Place]) -> list[Place]:
    """The places where a part fits."""
    return [place for place in all_places if issubclass(part, place.kind)]


def default_of(field: FieldInfo) -> Any:
    """A default as a recipe writes it: parts that have only defaults by their name."""
    return written(field.get_default(call_default_factory=True, validated_data={}))


def written(value: Any) -> Any:
    """A value as a recipe writes it, without what says no more than the defaults do."""
    if isinstance(value, Part):
        name = registry().name_of(type(value))
        changed = _changed(value)
        head = {"version": value.version} if value.version > 1 and changed else {}
        return {"use": name, **head, **changed} if changed else name
    if isinstance(value, tuple | list):
        return [written(item) for item in value]
    if isinstance(value, dict):
        return {str(key): written(item) for key, item in value.items()}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return json.loads(json.dumps(value, default=str))


def _changed(part: Part) -> dict[str, Any]:
    """The knobs that are not at their defaults."""
    now = {knob: written(getattr(part, knob)) for knob in type(part).model_fields}
    fields = type(part).model_fields
    return {
        knob: value for knob, value in now.items() if fields[knob].is_required() or value != default_of(fields[knob])
    }


@dataclass(frozen=True)
class Snippets:
    """JSON to put into a recipe."""

    short: str
    """What must be said."""
    full: str | None
    """With every knob; None if there is no knob to say more."""


def snippets(part: type[Part], fitting: list[Place]) -> Snippets | None:
    """How a recipe writes a part down; None if it has no setting that can be shown."""
    shown = setting(part)
    if shown is None:
        return None
    key, several = _key(part, fitting)
    short = _portable(written(shown))
    version = {"version": part.version} if part.version > 1 else {}
    knobs = {knob: written(getattr(shown, knob)) for knob in part.model_fields}
    full = _portable({"use": registry().name_of(part), **version, **knobs})
    return Snippets(_member(key, short, several), _member(key, full, several) if knobs else None)


def _key(part: type[Part], fitting: list[Place]) -> tuple[str, bool]:
    """The knob to show it in, and whether that holds a list: one called as its kind or, without, the first there is."""
    named = [place for kind in kinds_of(part) for place in fitting if place.knob == kind.kind]
    place = next(iter([*named, *fitting]), None)
    return (place.knob, place.several) if place else (part.kind, False)


def _portable(value: Any) -> Any:
    """Without the folders of files, which examples have on the machine where they are installed."""
    if isinstance(value, str):
        return PurePath(value).name if PurePath(value).is_absolute() else value
    if isinstance(value, list):
        return [_portable(item) for item in value]
    return {key: _portable(item) for key, item in value.items()} if isinstance(value, dict) else value


def setting(part: type[Part]) -> Part | None:
    """A setting to show: the defaults or, where something must be said, the first of its own examples."""
    try:
        return part()
    except ValidationError:
        pass
    try:
        example = next(iter(part.examples()), None)
    except Exception:  # somebody's plugin; `partwise verify` tells what is wrong with it
        return None
    if example is None:
        return None
    try:  # no more of it than must be said
        return part(
            **{name: getattr(example, name) for name, field in part.model_fields.items() if field.is_required()}
        )
    except ValidationError:
        return example


def _member(key: str, value: Any, several: bool) -> str:
    """One member of a JSON object, as short as it can be read."""
    value = [value] if several else value
    line = json.dumps(value, ensure_ascii=False)
    text = line if len(line) + len(key) < 76 else json.dumps(value, indent=2, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", f"{json.dumps(key, ensure_ascii=False)}: {text}")


__all__ = ["Place", "Snippets", "default_of", "kinds_within", "places", "setting", "snippets", "taking", "written"]
