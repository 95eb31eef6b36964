"""What a place in a recipe may hold: the type of the knob that stands there, and how to say it to a person.

A *shape* is the type annotation of a place, with its constraints: `Annotated[int, Gt(0)]`.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from partwise.parts import Part, with_article
from partwise.registry import registry

from .source import Mark, Node, marked

Shape = Any


def _origin(shape: Shape) -> Any:
    return typing.get_origin(shape)


def shape_of(field: FieldInfo) -> Shape:
    """The type of a field with its constraints."""
    shape: Shape = field.annotation
    for constraint in field.metadata:
        shape = Annotated[shape, constraint]
    return shape


def members(shape: Shape) -> list[Shape]:
    """The alternatives of a union; the shape alone if it is none."""
    bare = _bare(shape)
    if _origin(bare) in (Union, types.UnionType):
        return [inner for member in get_args(bare) for inner in members(member)]
    return [shape]


def takes_null(shape: Shape) -> bool:
    """Whether null is a value here."""
    return any(_bare(member) is type(None) for member in members(shape))


def kind_at(shape: Shape) -> type[Part] | None:
    """The kind of part that may stand here."""
    for member in members(shape):
        bare = _bare(member)
        if isinstance(bare, type) and issubclass(bare, Part):
            return bare
    return None


def model_at(shape: Shape, node: Node) -> type[BaseModel] | None:
    """The class whose fields are the keys of `node`, an object or a name; None if there is none, or it is unknown."""
    for member in members(shape):
        bare = _bare(member)
        if isinstance(bare, type) and issubclass(bare, Part):
            found = registry().find(bare, node.use) if node.use is not None else None
            if found is not None:
                return found
        elif isinstance(bare, type) and issubclass(bare, BaseModel):
            return bare
    return None


def shape_below(shape: Shape, node: Node, segment: str | int) -> Shape | None:
    """The shape of what stands in `node` at a key or an index; None if nothing is known of it."""
    if isinstance(segment, str):
        model = model_at(shape, node)
        if model is not None:
            field = model.model_fields.get(segment)
            return None if field is None else shape_of(field)
    for member in members(shape):
        found = _element(_bare(member), segment)
        if found is not None:
            return found
    return None


def _element(bare: Shape, segment: str | int) -> Shape | None:
    origin, arguments = _origin(bare), get_args(bare)
    if isinstance(segment, str):
        return arguments[1] if origin is dict else None
    if origin is tuple and arguments:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return arguments[0]
        return arguments[segment] if segment < len(arguments) else None
    return arguments[0] if origin in (list, set, frozenset, Sequence) and arguments else None


def default_at(model: type[BaseModel], key: str, mark: Mark) -> Node | None:
    """The default of a knob as if it were written at `mark`; None if there is none, or it is null."""
    field = model.model_fields.get(key)
    if field is None or field.is_required():
        return None
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is None or default is PydanticUndefined:
        return None
    return marked(_dumped(default), mark)


def _dumped(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_dumped(item) for item in value]
    return value


def _bare(shape: Shape) -> Shape:
    """A shape without constraints and aliases."""
    while True:
        if _origin(shape) is Annotated:
            shape = get_args(shape)[0]
        elif hasattr(shape, "__value__"):  # an alias made by `type X = ...`
            shape = shape.__value__
        else:
            return shape


# --- in words ---------------------------------------------------------------------------------------

_NOUNS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text in double quotes",
    bool: "true or false",
    type(None): "null",
    dict: "an object",
}


def in_words(shape: Shape) -> str:
    """`a whole number greater than 0, or null`."""
    alternatives = list(dict.fromkeys(_one_in_words(member) for member in members(shape)))
    if len(alternatives) < 3:
        return " or ".join(alternatives)
    return f"{', '.join(alternatives[:-1])} or {alternatives[-1]}"


def _one_in_words(shape: Shape) -> str:
    bare, limits = _bare(shape), limits_of(shape)
    origin, arguments = _origin(bare), get_args(bare)
    if origin is Literal:
        noun = choices(bare)
    elif origin in (list, tuple, set, frozenset, Sequence) and arguments:
        noun = _array_in_words(origin, arguments)
    elif isinstance(bare, type) and issubclass(bare, Part):
        noun = with_article(bare.kind)
    elif isinstance(bare, type) and issubclass(bare, BaseModel):
        noun = "an object"
    else:
        noun = _NOUNS.get(origin or bare, "another value")
    return f"{noun} {limits}" if limits else noun


def _array_in_words(origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin is tuple and Ellipsis not in arguments:
        each = list(dict.fromkeys(map(in_words, arguments)))
        return f"an array of {len(arguments)}: {each[0] if len(each) == 1 else ', '.join(map(in_words, arguments))}"
    return f"an array, each {in_words(arguments[0])}"


def choices(shape: Shape) -> str:
    """`"a", "b" or "c"`, from every literal among the alternatives."""
    values = literals(shape)
    shown = [f'"{value}"' if isinstance(value, str) else str(value) for value in values]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def literals(shape: Shape) -> list[Any]:
    """The values that literals among the alternatives allow."""
    bares = [_bare(member) for member in members(shape)]
    return [value for bare in bares if _origin(bare) is Literal for value in get_args(bare)]


def limits_of(shape: Shape) -> str:
    """`greater than 0 and at most 1`; empty if there is no limit."""
    return " and ".join(limit for constraint in _constraints(shape) if (limit := _limit(constraint)))


def _constraints(shape: Shape) -> Iterator[Any]:
    if _origin(shape) is Annotated:
        yield from _constraints(get_args(shape)[0])
        yield from _flat(shape.__metadata__)


def _flat(constraints: Iterable[Any]) -> Iterator[Any]:
    """Constraints one by one: `Field(gt=0, lt=1)` and `Interval` hold several."""
    for constraint in constraints:
        if isinstance(constraint, FieldInfo):
            yield from _flat(constraint.metadata)
        elif hasattr(constraint, "__iter__"):
            yield from _flat(constraint)
        else:
            yield constraint


def _limit(constraint: Any) -> str | None:
    match constraint:
        case Gt(bound):
            return f"greater than {_short(bound)}"
        case Ge(bound):
            return f"at least {_short(bound)}"
        case Lt(bound):
            return f"less than {_short(bound)}"
        case Le(bound):
            return f"at most {_short(bound)}"
        case MultipleOf(factor):
            return f"a multiple of {_short(factor)}"
        case MinLen(1):
            return "that is not empty"
        case MinLen(length):
            return f"of length {length} or more"
        case MaxLen(length):
            return f"of length {length} or less"
    pattern = getattr(constraint, "pattern", None)
    return f"matching {pattern}" if pattern else None


def _short(number: Any) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)
