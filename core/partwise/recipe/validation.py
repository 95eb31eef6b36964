"""Validates a recipe, and says in plain words what is wrong where. Users never see the messages of pydantic."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from partwise.documented import field_docs
from partwise.parts.part import Part
from partwise.parts.registry import registry
from partwise.parts.shapes import shape_of
from partwise.wording import with_article

from . import suggestions as names
from .knob_types import in_words, kind_at, limits_of, literals
from .located_errors import LIMITS, OF_PYDANTIC, LocatedError, located, without_echoes
from .reader.problems import MOST_SHOWN, Problem, RejectedError, cut, in_order
from .reader.source import Node

ModelT = TypeVar("ModelT", bound=BaseModel)


def validate(model: type[ModelT], node: Node) -> ModelT:
    """`node` as a `model`.

    Raises:
        RecipeError: everything that is wrong, each problem with its place.
    """
    try:
        return model.model_validate(node.plain())
    except ValidationError as error:
        found = in_order(without_echoes([located(model, node, one) for one in error.errors(include_url=False)]))
    # Nobody reads a thousand, and finding the nearest name takes time, so the rest are only counted.
    rest = [Problem("this is not valid", one.mark, one.path) for one in found[MOST_SHOWN:]]
    raise RejectedError([*map(_explain, found[:MOST_SHOWN]), *rest])


def _explain(found: LocatedError) -> Problem:
    message, notes = _message(found)
    default = bool(found.unwritten) and found.error["type"] != "missing"
    remark = "which is a default" if default else ""
    return Problem(message, found.mark, found.path, remark, tuple(notes))


def _message(found: LocatedError) -> tuple[str, Iterable[str]]:
    error, kind = found.error, found.error["type"]
    if kind in ("part_unknown", "part_of_another_kind", "part_expected", "use_missing"):
        return _about_part(found)
    if kind == "extra_forbidden" and found.owner is not None:
        key = str(found.path[-1])
        guess = names.did_you_mean(key, found.owner.model_fields)
        what = "knob" if issubclass(found.owner, Part) else "key"
        return f"unknown {what} {cut(key)!r} of {names.name_of(found.owner)}{guess}", [
            names.knob_list(found.owner, key)
        ]
    if kind == "missing" and found.owner is not None and found.unwritten:
        return _about_missing(found.owner, str(found.path[-1]))
    if kind in ("value_error", "assertion_error"):
        return f"{_label(found)}{error['ctx']['error']}", []
    if kind not in OF_PYDANTIC:
        return f"{_label(found)}{error['msg']}", []
    return _label(found) + _about_value(found), []


def _about_part(found: LocatedError) -> tuple[str, Iterable[str]]:
    kind, context = kind_at(found.shape) or Part, found.error["ctx"]
    if found.error["type"] == "use_missing":
        return found.error["msg"], [names.installed_list(kind, "")]
    given = found.error["input"]
    given = given.get("use") if isinstance(given, dict) else given
    if not isinstance(given, str):
        wanted = f'expected {with_article(kind.kind)}: a name, or an object with "use"'
        return f"{wanted}, got {shown(given)}", [names.installed_list(kind, "")]
    if found.error["type"] == "part_of_another_kind":
        return found.error["msg"], [names.installed_list(kind, given)]
    guess = names.did_you_mean(given, context["installed"]) or _elsewhere(given)
    message = f"unknown {context['kind']} {cut(given)!r}{guess}"
    return message, [names.installed_list(kind, given), *names.plugin_notes(given)]


def _elsewhere(given: str) -> str:
    """` ('rope' is the name of a position)`, if a part of another kind has this name, or nearly."""
    meant = names.suggestion(given, [entry.name for entry in registry().entries()], names.VERY_NEAR)
    others = registry().of_any_kind(meant) if meant else ()
    return f" ({meant!r} is the name of a {others[0].kind})" if others else ""


def _about_missing(owner: type[BaseModel], key: str) -> tuple[str, Iterable[str]]:
    field = owner.model_fields[key]
    about = field_docs(owner)[key]
    meaning = [f"{key}: {about}"] if about else []
    return f"{names.name_of(owner)} needs {key!r}: {in_words(shape_of(field))}", meaning


def _about_value(found: LocatedError) -> str:
    given = shown(found.error["input"])
    if found.error["type"].startswith(LIMITS) and not found.at_union:
        limits = limits_of(found.shape)
        if limits:
            return f"must be {limits}, got {given}"
    if found.shape is None:
        return f"{given} cannot stand here"
    wanted, value = in_words(found.shape), found.error["input"]
    guess = ""
    if isinstance(value, str):
        guess = names.did_you_mean(value, [choice for choice in literals(found.shape) if isinstance(choice, str)])
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15 and "whole" in wanted:
        guess = f"; write {int(value)}"
    return f"expected {wanted}, got {given}{guess}"


def _label(found: LocatedError) -> str:
    """`heads: `, or `betas.0: `; nothing for the recipe as a whole."""
    label: list[str] = []
    for segment in reversed(found.path):
        label.append(str(segment))
        if isinstance(segment, str):
            break
    return f"{'.'.join(reversed(label))}: " if label else ""


def shown(value: Any) -> str:
    """A value as JSON, shortened."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return f"an array of {len(value)}"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return cut(text)
