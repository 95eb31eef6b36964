"""What validation found, in plain words and at its place in the file. Nothing pydantic says reaches the user."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from partwise.parts import Part, Path
from partwise.registry import registry

from . import names
from .diagnostics import MOST_SHOWN, Problem, RejectedError
from .knobs import Shape, in_words, kind_at, limits_of, literals, members, model_at, shape_below, shape_of
from .source import Mark, Node

ModelT = TypeVar("ModelT", bound=BaseModel)

_OF_PYDANTIC = frozenset(get_args(ErrorType))
_LIMITS = (
    "greater_than",
    "less_than",
    "multiple_of",
    "too_short",
    "too_long",
    "string_too_short",
    "string_too_long",
    "string_pattern_mismatch",
)
"""What kinds of finding about limits begin with: "greater_than_equal", too."""


def fit(model: type[ModelT], node: Node) -> ModelT:
    """What `node` says, as a `model`.

    Raises:
        RecipeError: all that is wrong, each at its place.
    """
    try:
        return model.model_validate(node.plain())
    except ValidationError as error:
        found = [_locate(model, node, one) for one in error.errors(include_url=False)]
        raise RejectedError(_explained(_without_echoes(found))) from None


@dataclass(frozen=True)
class _Found:
    """One finding of validation and the place it is about."""

    error: ErrorDetails
    path: Path
    shape: Shape
    """Type of the place."""
    owner: type[BaseModel] | None
    """What has the knob that the last key of the path names."""
    node: Node
    """What is written there, or the nearest that is."""
    unwritten: Path
    """The end of the path that is not written; empty if all of it is."""
    union: Path | None
    """The place of the outermost union on the way: its other alternatives have findings, too."""

    @property
    def mark(self) -> Mark:
        """Where the caret goes: at the name of a part that fails as a whole."""
        if self.error["type"] == "extra_forbidden" and self.node.key is not None:
            return self.node.key
        return head_of(self.node)


def head_of(node: Node) -> Mark:
    """Where to point when `node` is meant: at the part's name, if it was written together with the rest."""
    use = node.members.get("use")
    return use.mark if use is not None and use.mark.source is node.mark.source else node.mark


def _locate(model: type[BaseModel], root: Node, error: ErrorDetails) -> _Found:
    """Follows pydantic's path, which has an extra segment where it enters an alternative of a union."""
    node: Node = root
    shape: Shape = model
    owner: type[BaseModel] | None = None
    path: Path = ()
    unwritten: Path = ()
    union: Path | None = None
    inside = False  # of an alternative of the union at hand
    for segment in error["loc"]:
        if not inside and sum(member is not type(None) for member in members(shape)) > 1:
            union = path if union is None else union
            inside = True
            continue
        inside = False
        owner = model_at(shape, node) if isinstance(segment, str) else owner
        shape = shape_below(shape, node, segment)
        path = (*path, segment)
        child = None if unwritten else node.child(segment)
        if child is None:
            unwritten = (*unwritten, segment)
        else:
            node = child
    return _Found(error, path, shape, owner, node, unwritten, union)


def _without_echoes(found: list[_Found]) -> list[_Found]:
    """Without what follows from another finding: the rest of a union, and what is missing because it is misspelt."""
    misspelt = set()
    for one in found:
        if one.error["type"] == "extra_forbidden" and one.owner is not None:
            meant = names.suggestion(str(one.path[-1]), one.owner.model_fields)
            misspelt.add((*one.path[:-1], meant))
    kept: dict[Path, _Found] = {}
    for one in found:
        if one.error["type"] == "missing" and one.path in misspelt:
            continue
        place = one.path if one.union is None else ("|", *one.union)
        if place not in kept or _weight(one) > _weight(kept[place]):
            kept[place] = one
    return list(kept.values())


def _weight(found: _Found) -> tuple[int, int]:
    """How much a finding about one alternative of a union tells: one that got further inside tells more."""
    kind = found.error["type"]
    return len(found.path), 2 if kind not in _OF_PYDANTIC else 1 if kind.startswith(_LIMITS) else 0


def _explained(found: list[_Found]) -> list[Problem]:
    """The first in full; nobody reads a thousand, and looking for the nearest name takes its time."""
    found = sorted(found, key=lambda one: one.mark.start)
    return [_explain(one) for one in found[:MOST_SHOWN]] + [
        Problem("this does not hold", one.mark, one.path) for one in found[MOST_SHOWN:]
    ]


def _explain(found: _Found) -> Problem:
    message, notes = _message(found)
    default = bool(found.unwritten) and found.error["type"] != "missing"
    remark = "which is a default" if default else ""
    return Problem(message, found.mark, found.path, remark, tuple(notes))


def _message(found: _Found) -> tuple[str, Iterable[str]]:
    error, kind = found.error, found.error["type"]
    if kind in ("part_unknown", "part_of_another_kind", "part_expected", "use_missing"):
        return _about_part(found)
    if kind == "extra_forbidden" and found.owner is not None:
        key = str(found.path[-1])
        guess = names.did_you_mean(key, found.owner.model_fields)
        return f"unknown knob {key!r} of {names.name_of(found.owner)}{guess}", [names.knob_list(found.owner, key)]
    if kind == "missing" and found.owner is not None and isinstance(found.path[-1], str):
        return _about_missing(found.owner, found.path[-1])
    if kind in ("value_error", "assertion_error"):
        return f"{_label(found)}{error['ctx']['error']}", []
    if kind not in _OF_PYDANTIC:
        return f"{_label(found)}{error['msg']}", []
    return _label(found) + _about_value(found), []


def _about_part(found: _Found) -> tuple[str, Iterable[str]]:
    kind, context = kind_at(found.shape) or Part, found.error["ctx"]
    given = context.get("given", found.node.use)
    if not isinstance(given, str):
        return found.error["msg"], [names.installed_list(kind, "")]
    if found.error["type"] == "part_of_another_kind":
        return found.error["msg"], [names.installed_list(kind, given)]
    guess = names.did_you_mean(given, context["installed"]) or _elsewhere(given)
    message = f"unknown {context['kind']} {given!r}{guess}"
    return message, [names.installed_list(kind, given), *names.plugin_notes(given)]


def _elsewhere(given: str) -> str:
    """`; 'rope' is a position`, if the name is near that of a part that does not fit here."""
    meant = names.suggestion(given, [entry.name for entry in registry().entries()])
    others = registry().of_any_kind(meant) if meant else ()
    return f" ({meant!r} is the name of a {others[0].kind})" if others else ""


def _about_missing(owner: type[BaseModel], key: str) -> tuple[str, Iterable[str]]:
    field = owner.model_fields[key]
    meaning = [f"{key}: {field.description}"] if field.description else []
    return f"{names.name_of(owner)} needs {key!r}, {in_words(shape_of(field))}", meaning


def _about_value(found: _Found) -> str:
    given = shown(found.error["input"])
    if found.error["type"].startswith(_LIMITS) and found.union is None:
        limits = limits_of(found.shape)
        if limits:
            return f"must be {limits}, got {given}"
    wanted = in_words(found.shape)
    guess = ""
    if isinstance(found.error["input"], str) and literals(found.shape):
        guess = names.did_you_mean(found.error["input"], [x for x in literals(found.shape) if isinstance(x, str)])
    elif isinstance(found.error["input"], float) and found.error["input"].is_integer() and "whole" in wanted:
        guess = f"; write {int(found.error['input'])}"
    return f"expected {wanted}, got {given}{guess}"


def _label(found: _Found) -> str:
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
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"
