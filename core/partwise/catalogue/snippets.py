"""How a recipe writes a part: as short as it can, and with every knob."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from partwise.parts.kinds import ModelPart
from partwise.parts.part import Part, kinds_of
from partwise.parts.registry import registry
from partwise.rendering.text import UNPRINTABLE

from .slots import OwnedSlot


def default_of(field: FieldInfo) -> Any:
    """A default as a recipe writes it."""
    return written(field.get_default(call_default_factory=True, validated_data={}))


def written(value: Any) -> Any:
    """A value as a recipe writes it, without knobs at their defaults."""
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
    """With the required knobs."""
    full: str | None
    """With every knob; None if the part has no knobs."""


def snippets(part: type[Part], fitting: list[OwnedSlot]) -> Snippets | None:
    """How a recipe writes a part; None if no setting of it can be shown."""
    shown = setting(part)
    if shown is None:
        return None
    key, several = _key(part, fitting)
    short = _portable(written(shown))
    version = {"version": part.version} if part.version > 1 else {}
    knobs = {knob: written(getattr(shown, knob)) for knob in part.model_fields}
    full = _portable({"use": registry().name_of(part), **version, **knobs})
    return Snippets(_member(key, short, several), _member(key, full, several) if knobs else None)


def _key(part: type[Part], fitting: list[OwnedSlot]) -> tuple[str, bool]:
    """The slot to show it in, and whether that holds a list.

    One of a model if there is any, since that is what recipes are written about; one named like the part's kind, or
    like several of it; or else the first."""
    names = [name for kind in kinds_of(part) for name in (kind.kind, f"{kind.kind}s")]
    of_models = [slot for slot in fitting if slot.owner is not None and issubclass(slot.owner.part, ModelPart)]
    named = [slot for some in (of_models, fitting) for name in names for slot in some if slot.knob == name]
    slot = next(iter([*named, *fitting]), None)
    return (slot.knob, slot.several) if slot else (part.kind, False)


def _portable(value: Any) -> Any:
    """Without the directories in file names: those of examples exist on this machine only."""
    if isinstance(value, str):
        return PurePath(value).name if PurePath(value).is_absolute() else value
    if isinstance(value, list):
        return [_portable(item) for item in value]
    return {key: _portable(item) for key, item in value.items()} if isinstance(value, dict) else value


def setting(part: type[Part]) -> Part | None:
    """A setting to show: the defaults or, where a knob is required, the first of the part's examples."""
    try:
        return part()
    except ValidationError:
        pass
    try:
        example = next(iter(part.examples()), None)
    except Exception:  # a plugin's code may raise anything; `partwise verify` reports it
        return None
    if example is None:
        return None
    try:  # only the required knobs
        return part(
            **{name: getattr(example, name) for name, field in part.model_fields.items() if field.is_required()}
        )
    except ValidationError:
        return example


def _member(key: str, value: Any, several: bool) -> str:
    """One member of a JSON object, on one line if it is short."""
    value = [value] if several else value
    line = json.dumps(value, ensure_ascii=False)
    text = line if len(line) + len(key) < 76 else json.dumps(value, indent=2, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", f"{json.dumps(key, ensure_ascii=False)}: {text}")


__all__ = ["Snippets", "default_of", "setting", "snippets", "written"]
