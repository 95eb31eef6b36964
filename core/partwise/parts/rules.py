"""What a plugin may register: each rule says in one line what is wrong with a part, or gives None."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .knob_rules import KNOB_RULES, hidden_attribute
from .part import Part, family, kinds_of

_NAME = r"[a-z][a-z0-9_]*"
_CLASS_METHODS = ("migrate", "examples", "sites", "checks", "equals")


def problem_of_parts(parts: Iterable[Any], kinds: Mapping[str, type[Part]] | None = None) -> str | None:
    """The first thing that is wrong with what `partwise_parts()` gave, beside the `kinds` that others have defined."""
    owners: dict[tuple[type[Part], str], type[Part]] = {}
    known = dict(kinds or {})
    for part in parts:
        problem = _first_problem(part)
        problem = problem or _kinds_are_its_own(part, known)
        if problem:
            return problem
        for name in (part.name, *part.aliases):
            other = owners.setdefault((family(part), name), part)
            if other is not part:
                return f"registers two parts named {name!r}: {other.__name__} and {part.__name__}"
    return None


def _first_problem(part: Any) -> str | None:
    try:
        return next((found for rule in _RULES if (found := rule(part))), None)
    except Exception as error:  # a class that answers questions about itself with errors
        name = getattr(part, "__name__", repr(part))
        return f"part {name} cannot be looked at: {type(error).__name__}: {error}".splitlines()[0]


def problem_of_directories(directories: Iterable[Any]) -> str | None:
    """The first thing that is wrong with what `partwise_recipes()` gave."""
    for directory in directories:
        if not isinstance(directory, str | os.PathLike):
            return f"partwise_recipes() gave {directory!r}, which is not a path"
    return None


def _kinds_are_its_own(part: type[Part], known: dict[str, type[Part]]) -> str | None:
    """No two kinds have one name: slots, schemas and `--kind` tell kinds by their names."""
    for kind in kinds_of(part):
        other = known.setdefault(kind.kind, kind)
        if other is not kind:
            where = f"{other.__module__}.{other.__qualname__}"
            return f"part {part.__name__} has a kind {kind.kind!r} of its own, and there is one: derive it from {where}"
    return None


def _is_a_part(part: Any) -> str | None:
    if isinstance(part, type) and issubclass(part, Part):
        return None
    return f"partwise_parts() gave {part!r}, which is not a subclass of partwise.Part"


def _has_a_kind(part: type[Part]) -> str | None:
    if not kinds_of(part) or not isinstance(part.kind, str):
        return f"part {part.__name__} has no kind: derive it from one of the kinds in partwise.parts, or set `kind`"
    if not re.fullmatch(_NAME, part.kind):
        return f"part {part.__name__} has the kind {part.kind!r}; use lower-case letters, digits and _"
    return None


def _has_a_name(part: type[Part]) -> str | None:
    name = getattr(part, "name", None)
    if isinstance(name, str) and re.fullmatch(_NAME, name):
        return None
    return f"part {part.__name__} needs a `name` of lower-case letters, digits and _"


def _aliases_are_names(part: type[Part]) -> str | None:
    aliases: Any = part.aliases
    if not isinstance(aliases, tuple):
        return f'part {part.__name__} has aliases {aliases!r}; write a tuple of names: aliases = ("old_name",)'
    wrong = [alias for alias in aliases if not isinstance(alias, str) or not re.fullmatch(_NAME, alias)]
    return f"part {part.__name__} has the alias {wrong[0]!r}; use lower-case letters, digits and _" if wrong else None


def _version_counts_from_one(part: type[Part]) -> str | None:
    if type(part.version) is int and part.version >= 1:
        return None
    return f"part {part.__name__} has version {part.version!r}; versions are 1, 2, 3 ..."


def _known_failures_have_reasons(part: type[Part]) -> str | None:
    known: Any = part.known_failures
    if isinstance(known, Mapping) and all(isinstance(text, str) for pair in known.items() for text in pair):
        return None
    return f'part {part.__name__} has known_failures {known!r}; write {{"check": "the reason"}}'


def _asks_the_class(part: type[Part]) -> str | None:
    """What is asked of the class, before there are knobs, needs none."""
    for name in _CLASS_METHODS:
        if not isinstance(inspect.getattr_static(part, name), classmethod | staticmethod):
            return f"{name}() of part {part.__name__} is asked of the class: write @classmethod above it"
    return None


def _builds_for_a_site(part: type[Part]) -> str | None:
    build = inspect.getattr_static(part, "build")
    wanted = f"part {part.__name__} needs a method build(self, site)"
    if not inspect.isfunction(build):
        return f"{wanted}, and has a {type(build).__name__} of that name"
    if inspect.iscoroutinefunction(build) or inspect.isgeneratorfunction(build):
        return f"{wanted} that returns what it builds; it is a coroutine or a generator"
    signature = inspect.signature(build)
    try:
        signature.bind(None, None)
    except TypeError:
        return f"{wanted}, and has build{signature}"
    return None


def _keeps_the_settings(part: type[Part]) -> str | None:
    """Parts are read strictly, and cannot change."""
    for key, value in Part.model_config.items():
        found = part.model_config.get(key)
        if found != value:
            return f"part {part.__name__} sets {key}={found!r} in model_config; parts need {value!r}"
    if part.model_config.get("alias_generator"):
        return f"part {part.__name__} sets alias_generator in model_config; a knob has one name"
    return None


# Each may rely on those before it.
_RULES: tuple[Callable[[Any], str | None], ...] = (
    _is_a_part,
    hidden_attribute,
    _has_a_kind,
    _has_a_name,
    _aliases_are_names,
    _version_counts_from_one,
    _known_failures_have_reasons,
    _asks_the_class,
    _builds_for_a_site,
    _keeps_the_settings,
    *KNOB_RULES,
)

__all__ = ["problem_of_directories", "problem_of_parts"]
