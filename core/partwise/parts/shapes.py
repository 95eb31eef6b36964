"""The types of knobs. A *shape* is a type annotation with its constraints: `Annotated[int, Gt(0)]`."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Shape = Any


class SlotMark:
    """What marks a shape as a place for a part; see `Slot`."""


def origin_of(shape: Shape) -> Any:
    """The generic type of a shape: `tuple` for `tuple[int, int]`."""
    return typing.get_origin(shape)


def shape_of(field: FieldInfo) -> Shape:
    """The type of a field with its constraints."""
    shape: Shape = field.annotation
    for constraint in field.metadata:
        shape = Annotated[shape, constraint]
    return shape


def members(shape: Shape) -> list[Shape]:
    """The alternatives of a union; for any other shape, itself."""
    bare = bare_of(shape)
    if origin_of(bare) in (Union, types.UnionType):
        return [inner for member in get_args(bare) for inner in members(member)]
    return [shape]


def bare_of(shape: Shape) -> Shape:
    """A shape without constraints and aliases."""
    while True:
        if origin_of(shape) is Annotated:
            shape = get_args(shape)[0]
        elif hasattr(shape, "__value__"):  # an alias made by `type X = ...`
            shape = shape.__value__
        else:
            return shape


def choices(shape: Shape) -> list[tuple[Any, Any]]:
    """The words among the alternatives of a shape, of literals and of enumerations: each as a recipe writes it, and
    the value that the knob then has."""
    found: list[tuple[Any, Any]] = []
    for bare in map(bare_of, members(shape)):
        options = get_args(bare) if origin_of(bare) is Literal else list(bare) if is_enumeration(bare) else ()
        found += [(option.value if isinstance(option, Enum) else option, option) for option in options]
    return found


def is_enumeration(bare: Shape) -> bool:
    """Whether it is an `Enum`."""
    return isinstance(bare, type) and issubclass(bare, Enum)


def as_knob(shape: Shape, written: Any) -> Any:
    """What a recipe writes as the knob takes it: arrays as tuples, the values of enumerations as their members.

    What is not right for the shape stays as it is; whoever validates says so. Slots are left alone.
    """
    if isinstance(written, Enum):
        return written
    for word, value in choices(shape):
        if type(word) is type(written) and word == written:
            return value
    bares = [bare_of(member) for member in members(shape)]
    if isinstance(written, list | tuple):
        array = next((bare for bare in bares if (origin_of(bare) or bare) in (tuple, Sequence)), Any)
        return tuple(as_knob(_element(array, index), item) for index, item in enumerate(written))
    if isinstance(written, dict):
        return _object(bares, written)
    return written


def _element(array: Shape, index: int) -> Shape:
    """The shape of an element of an array."""
    elements = get_args(array)
    if not elements:
        return Any
    if Ellipsis in elements or origin_of(array) is not tuple:
        return elements[0]
    return elements[min(index, len(elements) - 1)]


def _object(bares: list[Shape], written: dict[str, Any]) -> dict[str, Any]:
    """An object, each of its values as its shape takes it."""
    for bare in bares:
        if (origin_of(bare) or bare) in (dict, Mapping) and len(get_args(bare)) == 2:
            return {key: as_knob(get_args(bare)[1], item) for key, item in written.items()}
        if isinstance(bare, type) and issubclass(bare, BaseModel) and not hasattr(bare, "kind"):
            fields = bare.model_fields
            return {k: as_knob(shape_of(fields[k]), v) if k in fields else v for k, v in written.items()}
    return written
