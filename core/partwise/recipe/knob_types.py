"""The types of knobs in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from partwise.parts.part import Part
from partwise.parts.shapes import Shape, bare_of, choices, is_enumeration, members, origin_of
from partwise.wording import with_article

ARRAYS = (tuple, list, set, frozenset, Sequence)


def takes_null(shape: Shape) -> bool:
    """Whether null is a valid value."""
    return any(bare_of(member) is type(None) for member in members(shape))


def kind_at(shape: Shape) -> type[Part] | None:
    """The kind of part that the shape takes; None if it takes none."""
    for member in members(shape):
        bare = bare_of(member)
        if isinstance(bare, type) and issubclass(bare, Part):
            return bare
    return None


# --- in words ---------------------------------------------------------------------------------------

_NOUNS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a string",
    bool: "true or false",
    dict: "an object",
}


def in_words(shape: Shape) -> str:
    """`a whole number greater than 0, or null`."""
    alternatives = list(dict.fromkeys(_one_in_words(one) for one in members(shape) if bare_of(one) is not type(None)))
    return _either([*alternatives, "null"] if takes_null(shape) else alternatives)


def _either(alternatives: list[str]) -> str:
    if len(alternatives) < 2:
        return "".join(alternatives)
    comma = "," if len(alternatives) > 2 or " " in alternatives[0] else ""
    return f"{', '.join(alternatives[:-1])}{comma} or {alternatives[-1]}"


def _one_in_words(shape: Shape) -> str:
    bare = bare_of(shape)
    origin, arguments = origin_of(bare), get_args(bare)
    sizes, lengths = _limits(shape)
    if origin is Literal or is_enumeration(bare):
        noun = _either([_as_json(word) for word, _ in choices(bare)])
    elif origin in ARRAYS and arguments:
        noun = _array_in_words(origin, arguments)
    elif isinstance(bare, type) and issubclass(bare, Part):
        noun = with_article(bare.kind)
    elif isinstance(bare, type) and issubclass(bare, BaseModel):
        noun = "an object"
    else:
        noun = _NOUNS.get(origin or bare, "any value")
    return ", ".join([f"{noun} {sizes}" if sizes else noun, *([lengths] if lengths else [])])


def _array_in_words(origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin is not tuple or Ellipsis in arguments:
        return f"an array, each {in_words(arguments[0])}"
    each = list(map(in_words, arguments))
    return f"an array of {len(each)}" + (f", each {each[0]}" if len(set(each)) == 1 else f": {', '.join(each)}")


def _as_json(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def literals(shape: Shape) -> list[Any]:
    """The words among the alternatives, of literals and enumerations, as a recipe writes them."""
    return [word for word, _ in choices(shape)]


def limits_of(shape: Shape) -> str:
    """`greater than 0 and at most 1`; empty if there is no limit, or more than one alternative."""
    alternatives = [member for member in members(shape) if bare_of(member) is not type(None)]
    constraints = [shape, *alternatives] if len(alternatives) == 1 else [shape]
    return " and ".join(dict.fromkeys(limit for one in constraints for limit in _limits(one) if limit))


def _limits(shape: Shape) -> tuple[str, str]:
    """Limits of size and of length, each in words."""
    constraints = list(_constraints(shape))
    sizes = [words for one in constraints if (words := _size_limit(one))]
    lengths = [words for one in constraints if (words := _length_limit(one))]
    return " and ".join(sizes), " and ".join(lengths)


def _constraints(shape: Shape) -> Iterator[Any]:
    if origin_of(shape) is Annotated:
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


def _size_limit(constraint: Any) -> str | None:
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
    return None


def _length_limit(constraint: Any) -> str | None:
    match constraint:
        case MinLen(1):
            return "not empty"
        case MinLen(length):
            return f"at least {length} long"
        case MaxLen(length):
            return f"at most {length} long"
    pattern = getattr(constraint, "pattern", None)
    return f"of the pattern {pattern}" if pattern else None


def _short(number: Any) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)
