"""The registry: which parts are installed, under which name, and whose they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_origin

from .part import Part, family, kinds_of, named_by
from .plugins import LoadedPlugin, Plugin, load_plugins


@dataclass(frozen=True)
class RegisteredPart:
    """One registered part."""

    name: str
    """The name recipes use: bare for built-in parts, `namespace/name` for others'."""
    part: type[Part]
    plugin: Plugin


class Registry:
    """Parts by kind and name. Build one from plugins; ask `registry()` for the one in force."""

    def __init__(self, loaded: Iterable[LoadedPlugin]) -> None:
        self._entries: dict[tuple[type[Part], str], RegisteredPart] = {}
        self._aliases: dict[tuple[type[Part], str], RegisteredPart] = {}
        self._names: dict[type[Part], str] = {}
        self._plugins: list[Plugin] = []
        self._recipe_directories: list[tuple[Path, Plugin]] = []
        for one in loaded:
            parts, plugin = one.call("partwise_parts")
            directories: list[Any] = []
            if plugin.problem is None:
                directories, plugin = one.call("partwise_recipes")
            if plugin.problem is None:
                plugin = replace(plugin, problem=_first_problem(parts) or _no_directory(directories))
            self._plugins.append(plugin)
            if plugin.problem is None:  # all of it or nothing
                for part in parts:
                    self._add(part, plugin)
                self._recipe_directories += [(Path(directory), plugin) for directory in directories]

    def _add(self, part: type[Part], plugin: Plugin) -> None:
        head = "" if plugin.builtin else f"{plugin.namespace}/"
        entry = RegisteredPart(head + part.name, part, plugin)
        self._entries[family(part), entry.name] = entry
        self._names[part] = entry.name
        for alias in part.aliases:
            self._aliases[family(part), head + alias] = entry

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """Every plugin found, broken ones included."""
        return tuple(self._plugins)

    @property
    def broken(self) -> tuple[Plugin, ...]:
        """The plugins of which nothing is available."""
        return tuple(plugin for plugin in self._plugins if plugin.problem)

    @property
    def recipe_directories(self) -> tuple[tuple[Path, Plugin], ...]:
        """Directories of recipes that plugins ship."""
        return tuple(self._recipe_directories)

    def entries(self, kind: type[Part] = Part) -> tuple[RegisteredPart, ...]:
        """Every registered part that fits where `kind` is asked for, by kind and name."""
        fitting = [entry for entry in self._entries.values() if issubclass(entry.part, kind)]
        return tuple(sorted(fitting, key=lambda entry: (entry.part.kind, entry.name)))

    def names(self, kind: type[Part]) -> list[str]:
        """The names that fit where `kind` is asked for."""
        return sorted(entry.name for entry in self.entries(kind))

    def find(self, kind: type[Part], name: str) -> type[Part] | None:
        """The part of `kind` called `name` today or before, or None."""
        key = (family(kind), name)
        entry = self._entries.get(key) or self._aliases.get(key)
        return entry.part if entry and issubclass(entry.part, kind) else None

    def of_any_kind(self, name: str) -> tuple[type[Part], ...]:
        """Parts called `name`, whatever their kind."""
        return tuple(entry.part for (_, known), entry in sorted(self._entries.items(), key=_by_kind) if known == name)

    def entry(self, part: type[Part]) -> RegisteredPart | None:
        """Where a part class is from; None if it was never registered."""
        name = self._names.get(part)
        return self._entries[family(part), name] if name else None

    def name_of(self, part: type[Part]) -> str:
        """The name recipes use for a part class; its bare name if it is not registered."""
        return self._names.get(part, part.name)

    def kinds(self) -> dict[str, type[Part]]:
        """Every kind that has a part, including kinds defined by plugins: name -> class."""
        found = {kind.kind: kind for entry in self._entries.values() for kind in kinds_of(entry.part)}
        return dict(sorted(found.items()))


def _by_kind(item: tuple[tuple[type[Part], str], Any]) -> str:
    return item[0][0].kind


def _first_problem(parts: list[Any]) -> str | None:
    seen: dict[tuple[type[Part], str], type[Part]] = {}
    for part in parts:
        if not (isinstance(part, type) and issubclass(part, Part)):
            return f"partwise_parts() gave {part!r}, which is not a subclass of partwise.Part"
        if not kinds_of(part) or not isinstance(part.kind, str):
            return f"part {part.__name__} has no kind: derive it from one of the kinds in partwise.parts, or set `kind`"
        name = getattr(part, "name", None)
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            return f"part {part.__name__} needs a `name` of lower-case letters, digits and _"
        wrong = [alias for alias in part.aliases if not re.fullmatch(r"[a-z][a-z0-9_]*", alias)]
        if wrong:
            return f"part {part.__name__} has the alias {wrong[0]!r}; use lower-case letters, digits and _"
        if type(part.version) is not int or part.version < 1:
            return f"part {part.__name__} has version {part.version!r}; versions are 1, 2, 3 ..."
        if part.version > 1 and "version" in part.model_fields:
            return f"part {part.__name__} has a knob `version`, the word by which recipes name the version of a part"
        lists = [knob for knob, field in part.model_fields.items() if get_origin(field.annotation) is list]
        if lists:
            return f"knob {lists[0]} of {part.__name__} is a list; parts cannot change, so make it a tuple"
        for known in (part.name, *part.aliases):
            other = seen.setdefault((family(part), known), part)
            if other is not part:
                return f"registers two parts named {known!r}: {other.__name__} and {part.__name__}"
    return None


def _no_directory(directories: list[Any]) -> str | None:
    for directory in directories:
        if not isinstance(directory, str | os.PathLike):
            return f"partwise_recipes() gave {directory!r}, which is not a path"
    return None


_override: ContextVar[Registry | None] = ContextVar("partwise_registry", default=None)


@cache
def _installed() -> Registry:
    return Registry(load_plugins())


def registry() -> Registry:
    """The registry in force: everything installed, loaded on first use."""
    return _override.get() or _installed()


@contextmanager
def using(other: Registry) -> Iterator[Registry]:
    """Puts `other` in force for the length of a `with` block; for tests."""
    token = _override.set(other)
    try:
        yield other
    finally:
        _override.reset(token)


named_by(lambda part: registry().name_of(part))
