"""What every part must do, whatever its kind."""

from __future__ import annotations

import atexit
import json
import re
import struct
import subprocess
import sys
from functools import cache
from multiprocessing.reduction import ForkingPickler
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from partwise.documented import field_docs
from partwise.parts.part import Part, kinds_of
from partwise.parts.shapes import shape_of
from partwise.parts.slot import resolve_part
from partwise.recipe.knob_types import kind_at
from partwise.rendering.maths import mathml
from partwise.testing.cases import examples
from partwise.testing.registering import EVERY, check
from partwise.testing.violation import require, violated


@check(EVERY, per="part")
def it_is_documented(part: type[Part]) -> None:
    """It has a line for the catalogue, and a docstring for every knob."""
    first = (part.__doc__ or "").strip().split("\n")[0]
    own = part.__doc__ is not None and not any(part.__doc__ == base.__doc__ for base in part.__mro__[1:])
    require(own, "it has no docstring of its own")
    require(len(first) > 20, f"its docstring begins with {first!r}, which says too little for a catalogue")
    require(first.endswith("."), f"the first line of its docstring is not a sentence: {first!r}")
    for name, about in field_docs(part).items():
        require(about, f"its knob {name} has no docstring")
        require(len(about.strip()) > 5, f"the docstring of its knob {name} says next to nothing")


@check(EVERY, per="part")
def its_formulas_can_be_set(part: type[Part]) -> None:
    """Its formulas, if it has any, are a tuple of equations in LaTeX that the catalogue can set."""
    own = vars(part).get("formulas", ())
    require(isinstance(own, tuple), f"its formulas are {own!r}, and must be a tuple, also of one: ({own!r},)")
    for latex in own:
        require(isinstance(latex, str), f"its formula {latex!r} is no text")
        try:
            mathml(latex)
        except ValueError as error:
            violated(str(error))


@check(EVERY, per="part")
def its_names_are_in_style(part: type[Part]) -> None:
    """Its name, its kind and its knobs are lower-case words joined by _."""
    for name in (part.name, part.kind, *part.model_fields):
        require(re.fullmatch(r"[a-z][a-z0-9_]*", name), f"{name!r} is not lower-case letters, digits and _")


@check(EVERY, per="part")
def it_has_a_schema(part: type[Part]) -> None:
    """It has a JSON Schema that names every knob, for editors."""
    properties = part.model_json_schema().get("properties", {})
    require(set(properties) == set(part.model_fields), f"its JSON Schema describes {sorted(properties)}")


@check(EVERY, per="part")
def its_examples_cover_every_knob(part: type[Part]) -> None:
    """Each knob is set to something other than its default in some example."""
    require(examples(part), "it has no examples")
    for name, field in part.model_fields.items():
        if not field.is_required():
            default = default_of(part, name)
            shown = any(getattr(example, name) != default for example in examples(part))
            require(shown, f"no example sets {name} to anything but its default")


@check(EVERY, per="example")
def it_dumps_and_loads(part: Part) -> None:
    """Its dump is JSON, writes every default out, and loads into an equal part."""
    dumped = part.model_dump(mode="json")
    missing = {"use", *type(part).model_fields} - set(dumped)
    require(not missing, f"the dump leaves out {sorted(missing)}")
    loaded = resolve_part(kinds_of(type(part))[-1], json.loads(json.dumps(dumped)))
    require(type(loaded) is type(part), f"the dump of a {type(part).__name__} loads as a {type(loaded).__name__}")
    require(loaded == part, f"dumped and loaded it differs: {part!r} became {loaded!r}")
    require(loaded.model_dump(mode="json") == dumped, "a second dump differs from the first")


@check(EVERY, per="example")
def it_can_be_pickled(part: Part) -> None:
    """Pickled and restored it is the same: multiprocessing sends parts that way."""
    copy = _unpickled(ForkingPickler.dumps(part))
    require(copy == part, f"pickled and restored it differs: {part!r} became {copy!r}")


@check(EVERY, per="part")
def it_travels_to_a_fresh_process(part: type[Part]) -> None:
    """A fresh interpreter receives its pickled examples without importing torch, and sends the same back."""
    sent = tuple(examples(part))
    try:
        restored = _echoed(sent)
    except Exception as error:
        violated(f"a fresh process cannot receive it: {type(error).__name__}: {error}")
    require(restored == sent, f"{sent!r} came back as {restored!r}")


_unpickled = ForkingPickler.loads

_ECHO = """
import json, struct, sys
from multiprocessing.reduction import ForkingPickler
sys.path[:] = json.loads(sys.argv[1])
while size := sys.stdin.buffer.read(4):
    before = "torch" in sys.modules
    try:
        received = ForkingPickler.loads(sys.stdin.buffer.read(*struct.unpack("!i", size)))
        answer = b"=" + bytes(ForkingPickler.dumps(received))
        if "torch" in sys.modules and not before:
            answer = b"!to receive it imports torch"
    except Exception as error:
        answer = b"!" + f"{type(error).__name__}: {error}".encode()
    sys.stdout.buffer.write(struct.pack("!i", len(answer)) + answer)
    sys.stdout.buffer.flush()
"""


def _echoed(sent: Any) -> Any:
    """What a fresh interpreter sends back."""
    process = _fresh_interpreter()
    pickled = bytes(ForkingPickler.dumps(sent))
    process.stdin.write(struct.pack("!i", len(pickled)) + pickled)
    process.stdin.flush()
    answer = process.stdout.read(*struct.unpack("!i", process.stdout.read(4)))
    if answer.startswith(b"!"):
        process.kill()  # it may have torch in it now, and would not notice who imports that next
        _fresh_interpreter.cache_clear()
        raise ValueError(answer[1:].decode())
    return _unpickled(answer[1:])


@cache
def _fresh_interpreter() -> Any:
    """One for all parts, as starting it takes longer than all its work. (It ends when this process does.)"""
    command = [sys.executable, "-c", _ECHO, json.dumps(sys.path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


@check(EVERY, per="example")
def it_rejects_unknown_knobs(part: Part) -> None:
    """A misspelt knob is an error, not silence."""
    knobs = {field: getattr(part, field) for field in type(part).model_fields}
    try:
        type(part).model_validate({**knobs, "no_such_knob": 1})
    except ValidationError as error:
        if any(one["type"] == "extra_forbidden" for one in error.errors()):
            return
        violated(f"it is rejected for another reason: {error}")
    violated("it takes a knob that it does not have")


@check(EVERY, per="example")
def it_rejects_nonsense(part: Part) -> None:
    """The type of every knob refuses nonsense: an arbitrary object, NaN, and minus infinity."""
    knobs = {field: getattr(part, field) for field in type(part).model_fields}
    for field in knobs:
        for nonsense in ({"no such": [1]}, object(), float("nan"), float("-inf")):
            try:
                type(part).model_validate({**knobs, field: nonsense})
            except ValidationError:
                continue
            violated(f"its knob {field} takes {nonsense!r}")


@check(EVERY, per="example")
def it_cannot_be_changed(part: Part) -> None:
    """It is frozen: a part shared by two recipes stays what it is."""
    for field in type(part).model_fields:
        try:
            setattr(part, field, getattr(part, field))
        except ValidationError:
            continue
        violated(f"its knob {field} can be set after it is made")


def default_of(part: type[Part], knob: str) -> Any:
    """The default of a knob as a part made without it has it; PydanticUndefined if it must be given."""
    field = part.model_fields[knob]
    if field.is_required():
        return PydanticUndefined
    default, kind = field.get_default(call_default_factory=True, validated_data={}), kind_at(shape_of(field))
    return resolve_part(kind, default) if kind is not None and isinstance(default, str) else default
