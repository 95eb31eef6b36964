"""Which knobs a part may have: those that a recipe can say, that are dumped whole, and that load into the same."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, Flag
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from .part import Part
from .shapes import Shape, SlotMark, bare_of, members, origin_of, shape_of

_WORD = r"[A-Za-z][A-Za-z0-9_]*"
_RESERVED = {
    "use": "names a part",
    "version": "names the version of a part",
    "extends": "names the recipe that another one changes",
}
"""Words that recipes have beside knobs."""
_SCALARS = (bool, int, float, str, type(None))
_INSTEAD = {
    "Path": "a str",
    "PosixPath": "a str",
    "bytes": "a str",
    "bytearray": "a str",
    "datetime": "a str",
    "date": "a str",
    "time": "a str",
    "timedelta": "a number of seconds",
    "UUID": "a str",
    "dtype": 'Literal["float32", "bfloat16"]',
    "device": "a str",
    "complex": "tuple[float, float]",
    "Decimal": "a float",
    "Fraction": "a float",
}
_SAYABLE = "int, float, bool, str, an Enum, a Literal, a tuple of these, or a slot"
_DEFAULTS = ConfigDict(strict=True, allow_inf_nan=False)


def hidden_attribute(part: type[Part]) -> str | None:
    """No knob hides what every part of its kind has: `build: int`, `name: str = "x"`."""
    bases = [base for base in part.__mro__[1:] if issubclass(base, BaseModel)]
    for knob in part.model_fields:
        if knob in _RESERVED:
            return f"part {part.__name__} has a knob `{knob}`, the word by which recipes say what {_RESERVED[knob]}"
        if any(knob in base.__class_vars__ for base in bases if base is not BaseModel):
            return f"{knob} of {part.__name__} is no knob, as every part has it: write `{knob} = ...` without a type"
        if any(knob in vars(base) for base in bases if knob not in base.model_fields):
            return f"part {part.__name__} has a knob `{knob}`, the name of something that every part has; rename it"
    return None


def _names_are_words(part: type[Part]) -> str | None:
    for knob, field in part.model_fields.items():
        if not re.fullmatch(_WORD, knob):
            return f"part {part.__name__} has a knob {knob!r}; use letters, digits and _, from a letter on"
        if any((field.alias, field.validation_alias, field.serialization_alias)):
            return f"knob {knob} of {part.__name__} has an alias; a knob has one name (for former ones, see `migrate`)"
    for hidden in part.__private_attributes__:
        return f"{hidden} of {part.__name__} begins with _, so it is no knob: rename it, or make it a ClassVar"
    return None


def _dumps_hold_all_knobs(part: type[Part]) -> str | None:
    for knob, field in part.model_fields.items():
        if field.exclude:
            return f"knob {knob} of {part.__name__} is excluded from dumps; a run could not be opened again"
    for computed in part.model_computed_fields:
        return f"{computed} of {part.__name__} is a computed field, which is dumped as if it were a knob: use @property"
    return None


def _types_can_be_said(part: type[Part]) -> str | None:
    if not part.__pydantic_fields_complete__:
        part.model_rebuild(raise_errors=False)
    for knob, field in part.model_fields.items():
        wrong = _wrong_type(_of_parts_by_name(shape_of(field)))
        if wrong:
            return f"knob {knob} of {part.__name__} {wrong}"
    return None


def _of_parts_by_name(shape: Shape) -> Shape:
    """The slot, if the knob is an object of parts by names, such as `dict[str, slots.Data]`; else the shape itself."""
    bare = bare_of(shape)
    arguments = get_args(bare)
    if origin_of(bare) is dict and arguments[0] is str and isinstance(bare_of(arguments[1]), type):
        return arguments[1] if issubclass(bare_of(arguments[1]), Part) else shape
    return shape


def _wrong_type(shape: Shape, seen: tuple[Any, ...] = ()) -> str | None:
    """What is wrong with the type of a knob, as the end of a sentence about it."""
    alternatives = members(shape)
    if len(alternatives) > 1:
        return next((wrong for one in alternatives if (wrong := _wrong_type(one, seen))), None)
    if origin_of(shape) is Annotated:
        if any(isinstance(mark, SlotMark) for mark in shape.__metadata__):
            return _wrong_slot(bare_of(shape))
        return _wrong_type(get_args(shape)[0], seen)
    if hasattr(shape, "__value__"):  # an alias made by `type X = ...`
        return _wrong_type(shape.__value__, seen)
    if any(shape is one for one in seen):  # a type that holds itself
        return None
    return _wrong_bare(shape, (*seen, shape))


def _wrong_slot(bare: Any) -> str | None:
    if isinstance(bare, type) and issubclass(bare, Part) and hasattr(bare, "kind"):
        return None
    return f"is marked as a slot, and {_called(bare)} is no kind of part"


def _wrong_bare(bare: Any, seen: tuple[Any, ...]) -> str | None:
    origin, arguments = origin_of(bare), get_args(bare)
    if bare in (Any, *_SCALARS) or bare is None:
        return None
    if isinstance(bare, str | typing.ForwardRef):
        name = bare if isinstance(bare, str) else bare.__forward_arg__
        return f"has the type {name}, which cannot be found: import it where the class is defined"
    if origin is Literal:
        odd = [one for one in arguments if not isinstance(one.value if isinstance(one, Enum) else one, _SCALARS)]
        return f"may be {odd[0]!r}, which JSON cannot say" if odd else None
    if (origin or bare) in (list, set, frozenset):
        return f"is a {(origin or bare).__name__}; parts cannot change, so make it a tuple"
    if (origin or bare) in (tuple, Sequence):
        inner = (one for one in arguments if one is not Ellipsis)
        return next((wrong for one in inner if (wrong := _wrong_type(one, seen))), None)
    if (origin or bare) in (dict, Mapping):
        return _wrong_object(arguments, seen)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return _wrong_model(bare, seen)
    if isinstance(bare, type) and issubclass(bare, Enum):
        return _wrong_enumeration(bare)
    instead = _INSTEAD.get(_called(bare))
    return f"is a {_called(bare)}, which JSON cannot say; " + (f"make it {instead}" if instead else f"use {_SAYABLE}")


def _wrong_object(arguments: tuple[Any, ...], seen: tuple[Any, ...]) -> str | None:
    if not arguments:
        return None
    if bare_of(arguments[0]) is not str:
        return f"is an object with keys of type {_called(arguments[0])}; in JSON keys are str"
    if _holds_parts(arguments[1]):
        return "holds an object of parts; hold parts in a slot, in a tuple of slots, or in an object of slots"
    return _wrong_type(arguments[1], seen)


def _holds_parts(shape: Shape) -> bool:
    bare = bare_of(shape)
    inner = [one for one in get_args(bare) if one is not Ellipsis and origin_of(bare) is not Literal]
    return (isinstance(bare, type) and issubclass(bare, Part)) or any(map(_holds_parts, inner))


def _wrong_model(bare: type[BaseModel], seen: tuple[Any, ...]) -> str | None:
    if issubclass(bare, Part):
        return f"is a part without a slot: write Annotated[{bare.__name__}, Slot()], or a name of partwise.parts.slots"
    if not bare.model_config.get("frozen"):
        return f"is a {bare.__name__}, which can change; give it ConfigDict(frozen=True), or make it a part"
    for name, field in bare.model_fields.items():
        shape = shape_of(field)
        wrong = _wrong_type(shape, seen)
        if _holds_parts(shape):
            wrong = "is a slot; only parts have slots, so make it a part"
        if wrong:
            return f"is a {bare.__name__}, whose {name} {wrong}"
    return None


def _wrong_enumeration(bare: type[Enum]) -> str | None:
    if issubclass(bare, Flag):
        return f"is a {bare.__name__}, whose values are sums; make it a tuple of words"
    values = [member.value for member in bare if not isinstance(member.value, _SCALARS)]
    return f"is a {bare.__name__} with the value {values[0]!r}; use words and numbers" if values else None


def _called(shape: Any) -> str:
    return getattr(shape, "__name__", None) or str(shape)


def _defaults_are_values(part: type[Part]) -> str | None:
    """A default that the knob's own type refuses would break every recipe that leaves the knob out."""
    for knob, field in part.model_fields.items():
        shape = shape_of(field)
        if field.is_required() or field.default_factory or _holds_parts(shape) or _has_checks_of_its_own(part, knob):
            continue
        default = field.get_default()
        if type(default) in (bool, int, str) and type(default) is bare_of(shape) and not field.metadata:
            continue
        try:
            TypeAdapter(shape, config=_DEFAULTS).validate_python(default)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].lower()
            return f"the default of knob {knob} of {part.__name__} is {default!r}, which its type refuses: {reason}"
        except Exception:  # a type with settings of its own, or with a function that needs the other knobs
            continue
    return None


def _has_checks_of_its_own(part: type[Part], knob: str) -> bool:
    checks = part.__pydantic_decorators__.field_validators.values()
    return any(knob in check.info.fields or "*" in check.info.fields for check in checks)


KNOB_RULES: tuple[Callable[[Any], str | None], ...] = (
    _names_are_words,
    _dumps_hold_all_knobs,
    _types_can_be_said,
    _defaults_are_values,
)
"""Each may rely on those before it."""

__all__ = ["KNOB_RULES", "hidden_attribute"]
