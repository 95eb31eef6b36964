"""What every part must hold, whatever its kind. Each check raises AssertionError in plain words."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from partwise import Part
from partwise.parts import fit_part
from partwise.recipe.knobs import kind_at, shape_of
from partwise.registry import kinds_of


def check_dump_and_load(part: Part) -> None:
    """Its dump is JSON, writes every default out, and loads into an equal part."""
    dumped = part.model_dump(mode="json")
    missing = {"use", *type(part).model_fields} - set(dumped)
    assert not missing, f"the dump leaves out {sorted(missing)}"
    loaded = fit_part(kinds_of(type(part))[-1], json.loads(json.dumps(dumped)))
    assert type(loaded) is type(part), f"the dump of a {type(part).__name__} loads as a {type(loaded).__name__}"
    assert loaded == part, f"dumped and loaded it differs: {part!r} became {loaded!r}"
    assert loaded.model_dump(mode="json") == dumped, "a second dump differs from the first"


def check_pickle(part: Part) -> None:
    """It travels to other processes."""
    copy = pickle.loads(pickle.dumps(part))  # noqa: S301
    assert copy == part, f"pickled and restored it differs: {part!r} became {copy!r}"


def check_unknown_knobs_are_rejected(part: Part) -> None:
    """A misspelt knob is an error, not silence."""
    knobs = {field: getattr(part, field) for field in type(part).model_fields}
    try:
        type(part).model_validate({**knobs, "no_such_knob": 1})
    except ValidationError as error:
        if any(one["type"] == "extra_forbidden" for one in error.errors()):
            return
        raise AssertionError(f"it is rejected for another reason: {error}") from error
    raise AssertionError("it takes a knob that it does not have")


def check_cannot_be_changed(part: Part) -> None:
    """It is frozen: a part shared by two recipes stays what it is."""
    for field in type(part).model_fields:
        try:
            setattr(part, field, getattr(part, field))
        except ValidationError:
            continue
        raise AssertionError(f"its knob {field} can be set after it is made")


def check_documentation(part: type[Part]) -> None:
    """A catalogue line, and a text for every knob."""
    first = (part.__doc__ or "").strip().split("\n")[0]
    own = part.__doc__ is not None and not any(part.__doc__ == base.__doc__ for base in part.__mro__[1:])
    assert own, "it has no docstring of its own"
    assert len(first) > 20, f"its docstring begins with {first!r}, which tells too little for a catalogue"
    assert first.endswith("."), f"the first line of its docstring is no sentence: {first!r}"
    for name, field in part.model_fields.items():
        assert field.description, f"its knob {name} has no docstring"
        assert len(field.description.strip()) > 5, f"the docstring of its knob {name} says next to nothing"


def check_name(part: type[Part]) -> None:
    """A name as recipes use them, and knobs in the same style."""
    for name in (part.name, part.kind, *part.model_fields):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name), f"{name!r} is not lower-case letters, digits and _"


def check_nonsense_is_rejected(part: Part) -> None:
    """Every knob has a type that refuses an object of nonsense, not-a-number, and a negative endless number."""
    knobs = {field: getattr(part, field) for field in type(part).model_fields}
    for field in knobs:
        for nonsense in ({"no such": [1]}, object(), float("nan"), float("-inf")):
            try:
                type(part).model_validate({**knobs, field: nonsense})
            except ValidationError:
                continue
            raise AssertionError(f"its knob {field} takes {nonsense!r}")


def check_schema(part: type[Part]) -> None:
    """It has a JSON Schema that names every knob, for editors."""
    properties = part.model_json_schema().get("properties", {})
    assert set(properties) == set(part.model_fields), f"its JSON Schema describes {sorted(properties)}"


def check_examples_cover_every_knob(part: type[Part], examples: Iterable[Part]) -> None:
    """Some example sets each knob to something else than its default."""
    examples = tuple(examples)
    assert examples, "it has no examples"
    for name, field in part.model_fields.items():
        if not field.is_required():
            default = default_of(part, name)
            assert any(getattr(example, name) != default for example in examples), (
                f"no example sets {name} to anything but its default"
            )


def default_of(part: type[Part], knob: str) -> Any:
    """The default of a knob as a part made without it has it; PydanticUndefined if it must be given."""
    field = part.model_fields[knob]
    if field.is_required():
        return PydanticUndefined
    default, kind = field.get_default(call_default_factory=True, validated_data={}), kind_at(shape_of(field))
    return fit_part(kind, default) if kind is not None and isinstance(default, str) else default
