"""What a plugin may register: each rule says in one line what is wrong with a part, or gives None."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any, get_origin

from .part import Part, family, kinds_of

_NAME = r"[a-z][a-z0-9_]*"


def problem_of_parts(parts: Iterable[Any]) -> str | None:
    """The first thing that is wrong with what `partwise_parts()` gave."""
    owners: dict[tuple[type[Part], str], type[Part]] = {}
    for part in parts:
        problem = next((found for rule in _RULES if (found := rule(part))), None)
        if problem:
            return problem
        for name in (part.name, *part.aliases):
            other = owners.setdefault((family(part), name), part)
            if other is not part:
                return f"registers two parts named {name!r}: {other.__name__} and {part.__name__}"
    return None


def problem_of_directories(directories: Iterable[Any]) -> str | None:
    """The first thing that is wrong with what `partwise_recipes()` gave."""
    for directory in directories:
        if not isinstance(directory, str | os.PathLike):
            return f"partwise_recipes() gave {directory!r}, which is not a path"
    return None


def _is_a_part(part: Any) -> str | None:
    if isinstance(part, type) and issubclass(part, Part):
        return None
    return f"partwise_parts() gave {part!r}, which is not a subclass of partwise.Part"


def _has_a_kind(part: type[Part]) -> str | None:
    if kinds_of(part) and isinstance(part.kind, str):
        return None
    return f"part {part.__name__} has no kind: derive it from one of the kinds in partwise.parts, or set `kind`"


def _has_a_name(part: type[Part]) -> str | None:
    name = getattr(part, "name", None)
    if isinstance(name, str) and re.fullmatch(_NAME, name):
        return None
    return f"part {part.__name__} needs a `name` of lower-case letters, digits and _"


def _aliases_are_names(part: type[Part]) -> str | None:
    wrong = [alias for alias in part.aliases if not re.fullmatch(_NAME, alias)]
    return f"part {part.__name__} has the alias {wrong[0]!r}; use lower-case letters, digits and _" if wrong else None


def _version_counts_from_one(part: type[Part]) -> str | None:
    if type(part.version) is int and part.version >= 1:
        return None
    return f"part {part.__name__} has version {part.version!r}; versions are 1, 2, 3 ..."


def _version_is_no_knob(part: type[Part]) -> str | None:
    if part.version == 1 or "version" not in part.model_fields:
        return None
    return f"part {part.__name__} has a knob `version`, the word by which recipes name the version of a part"


def _no_knob_is_a_list(part: type[Part]) -> str | None:
    lists = [knob for knob, field in part.model_fields.items() if get_origin(field.annotation) is list]
    return f"knob {lists[0]} of {part.__name__} is a list; parts cannot change, so make it a tuple" if lists else None


# Each may rely on those before it.
_RULES: tuple[Callable[[Any], str | None], ...] = (
    _is_a_part,
    _has_a_kind,
    _has_a_name,
    _aliases_are_names,
    _version_counts_from_one,
    _version_is_no_knob,
    _no_knob_is_a_list,
)

__all__ = ["problem_of_directories", "problem_of_parts"]
