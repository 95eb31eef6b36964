"""What could be varied in a recipe: its slots, what stands in them, and which parts fit there as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from partwise.errors import PartwiseError
from partwise.parts.part import Part
from partwise.parts.registry import registry
from partwise.parts.shapes import Shape, bare_of, members, shape_of
from partwise.parts.sites import TokenizerSite
from partwise.recipe import LoadedRecipe
from partwise.recipe.knob_types import kind_at, takes_null
from partwise.recipe.overrides import read_override
from partwise.runs.identity import TRAINED
from partwise.studies.definition.variants import changed

EVERY = "*"
NULL = "null"
_NUMBERS_OF = ("model", "trainer", "trainer.optimizer")
"""Whose own numbers are named; those of every part would be a page of its own."""


@dataclass(frozen=True)
class SlotPlace:
    """A place for a part."""

    path: str
    """As a study writes it: `model.blocks.*.norm`."""
    kind: str
    now: tuple[str, ...]
    """What stands there, each name once; several where layers differ."""
    fits: tuple[str, ...]
    """What could stand there instead, with its own defaults."""
    refused: dict[str, str]
    """What could not: name -> why, in a line. Most take it once a knob is set that has no default."""


@dataclass(frozen=True)
class NumberPlace:
    """A number that the model or the trainer has."""

    path: str
    now: Any


def numbers_of(loaded: LoadedRecipe) -> list[NumberPlace]:
    """The numbers of the model, the trainer and the optimizer."""
    found = []
    for place in _NUMBERS_OF:
        owner: Any = loaded.recipe
        for step in place.split("."):
            owner = getattr(owner, step, None)
        fields = type(owner).model_fields if isinstance(owner, BaseModel) else {}
        values = {name: getattr(owner, name) for name in fields}
        found += [NumberPlace(f"{place}.{name}", value) for name, value in values.items() if _is_number(value)]
    return found


def slots_of(loaded: LoadedRecipe, under: str = "") -> Iterator[SlotPlace]:
    """The slots of all that is trained, one after the other, for to find what fits takes a moment each.

    Args:
        under: only the slot at this path.
    """
    seen: dict[str, tuple[Shape, list[Any]]] = {}
    for key in TRAINED:
        field = type(loaded.recipe).model_fields[key]
        _walk(key, shape_of(field), getattr(loaded.recipe, key), seen)
    for path, (shape, values) in seen.items():
        if not under or path == under:
            yield _slot(loaded, path, shape, values)


def _walk(path: str, shape: Shape, value: Any, seen: dict[str, tuple[Shape, list[Any]]]) -> None:
    """Notes the slots at and below a path, the elements of an array as one."""
    if kind_at(shape) is not None:
        seen.setdefault(path, (shape, []))[1].append(value)
    if isinstance(value, tuple):
        shapes = [_element(shape)] * len(value)
        for inner, item in zip(shapes, value, strict=True):
            if inner is not None:
                _walk(f"{path}.{EVERY}", inner, item, seen)
    elif isinstance(value, Part):
        for name, field in type(value).model_fields.items():
            _walk(f"{path}.{name}", shape_of(field), getattr(value, name), seen)


def _element(shape: Shape) -> Shape | None:
    """What an array of parts holds; None for any other array."""
    for member in members(shape):
        arguments = getattr(bare_of(member), "__args__", ())
        if arguments and kind_at(arguments[0]) is not None:
            return arguments[0]
    return None


def _slot(loaded: LoadedRecipe, path: str, shape: Shape, values: list[Any]) -> SlotPlace:
    kind = kind_at(shape)
    assert kind is not None, "it is a slot"
    now = tuple(dict.fromkeys(NULL if value is None else value.name for value in values))
    names = [*registry().names(kind), *([NULL] if takes_null(shape) else [])]
    refused = {name: why for name in names if now != (name,) and (why := _refusal(loaded, path, name)) is not None}
    return SlotPlace(path, kind.kind, now, tuple(n for n in names if n not in refused and now != (n,)), refused)


def _refusal(loaded: LoadedRecipe, path: str, name: str) -> str | None:
    """Why a part cannot stand there as it is; None if it can."""
    from partwise import workflow

    try:
        varied = changed(loaded, [read_override(f"{path}={name}")])
        workflow.check(varied)
        if path == "tokenizer" and not varied.recipe.tokenizer.learns():
            # It reads a file of its own, and whether there is one is seen where it is built only.
            varied.recipe.tokenizer.assemble(TokenizerSite(list, varied.directory_of("tokenizer")))
    except PartwiseError as error:
        first = str(error).partition("\n")[0]
        return first.removeprefix("--set ").partition(": ")[2] or first
    except Exception as error:  # a part that breaks does not fit, and must not hide the others
        return f"{type(error).__name__}: {error}"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


__all__ = ["NULL", "NumberPlace", "SlotPlace", "numbers_of", "slots_of"]
