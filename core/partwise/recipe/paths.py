"""Paths of places in a recipe, `model.blocks.0.mixer`: read from text, and followed in types, nodes and values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from partwise.parts.part import Part
from partwise.parts.registry import registry
from partwise.parts.shapes import Shape, bare_of, members, origin_of, shape_of

from .knob_types import ARRAYS
from .reader.problems import Problem, RejectedError
from .reader.source import Mark, Node, marked


def parse_path(text: str, mark: Mark, example: str) -> tuple[tuple[str, ...], tuple[Mark, ...]]:
    """The segments of a dotted path, and where each of them stands.

    Args:
        mark: where the path stands, alone or in quotes; where some of it is escaped, every segment stands there.
        example: a path that is right, for the message.

    Raises:
        RecipeError: a segment is empty, has spaces round it, or an index in brackets.
    """
    before = {0: 0, 2: 1}.get(mark.end - mark.start - len(text))
    segments, marks, at = text.split("."), list[Mark](), mark.start + (before or 0)
    for segment in segments:
        marks.append(mark if before is None else Mark(mark.source, at, at + len(segment)))
        at += len(segment) + 1
        if not segment or segment.strip() != segment:
            message = f"a path is names, indexes and *, with dots between: {example}"
            raise RejectedError([Problem(message, marks[-1])])
        if bracketed := re.fullmatch(r"(\w+)\[(\*|\d+)\]", segment):
            message = f"an index follows a dot: write {bracketed[1]}.{bracketed[2]} in place of {segment}"
            raise RejectedError([Problem(message, marks[-1])])
    return tuple(segments), tuple(marks)


def values_at(value: Any, path: str) -> Iterator[Any]:
    """The values that a resolved recipe has at a path; `*` is every element of an array, `0` its first."""
    head, _, rest = path.partition(".")
    if head == "*":
        below = list(value) if isinstance(value, list) else []
    elif isinstance(value, list):
        below = value[int(head) : int(head) + 1] if head.isdecimal() else []
    elif isinstance(value, Mapping) and head in value:
        below = [value[head]]
    else:
        below = []
    for one in below:
        if rest:
            yield from values_at(one, rest)
        else:
            yield one


def model_at(shape: Shape, node: Node) -> type[BaseModel] | None:
    """The class whose fields are the keys of `node` (an object or a name); None if there is none, or it is unknown."""
    for member in members(shape):
        bare = bare_of(member)
        if isinstance(bare, type) and issubclass(bare, Part):
            found = registry().find(bare, node.use) if node.use is not None else None
            if found is not None:
                return found
        elif isinstance(bare, type) and issubclass(bare, BaseModel):
            return bare
    return None


def shape_below(shape: Shape, node: Node, segment: str | int) -> Shape | None:
    """The shape of the value that `node` has at a key or an index; None if nothing is known about it."""
    if isinstance(segment, str):
        model = model_at(shape, node)
        if model is not None:
            field = model.model_fields.get(segment)
            return None if field is None else shape_of(field)
    for member in members(shape):
        found = _element(bare_of(member), segment)
        if found is not None:
            return found
    return None


def _element(bare: Shape, segment: str | int) -> Shape | None:
    origin, arguments = origin_of(bare), get_args(bare)
    if isinstance(segment, str):
        return arguments[1] if origin in (dict, Mapping) and len(arguments) == 2 else None
    if origin is tuple and arguments:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return arguments[0]
        return arguments[segment] if segment < len(arguments) else None
    return arguments[0] if origin in ARRAYS and arguments else None


def default_at(model: type[BaseModel], key: str, mark: Mark) -> Node | None:
    """The default of a knob as if it were written at `mark`; None if there is none, or it is null."""
    field = model.model_fields.get(key)
    if field is None or field.is_required():
        return None
    try:
        default = field.get_default(call_default_factory=True)
    except ValueError:  # it follows from other knobs
        return None
    if default is None or default is PydanticUndefined:
        return None
    return marked(_dumped(default), mark)


def _dumped(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_dumped(item) for item in value]
    return value
