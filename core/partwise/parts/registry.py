"""The registry: which parts are installed, under which names, and from which plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from .part import Part, family, kinds_of, named_by
from .plugins import LoadedPlugin, Plugin, load_plugins
from .rules import problem_of_directories, problem_of_parts

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class RegisteredPart:
    """One registered part."""

    name: str
    """The name recipes use: bare for built-in parts, `namespace/name` for others'."""
    part: type[Part]
    plugin: Plugin


class Registry:
    """Parts by kind and name. `registry()` gives the one in force."""

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
            if plugin.problem is None and not plugin.builtin:  # our own tests ask this of our own parts
                problem = problem_of_parts(parts, self.kinds()) or problem_of_directories(directories)
                plugin = replace(plugin, problem=problem)
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
        """The plugins that failed to load."""
        return tuple(plugin for plugin in self._plugins if plugin.problem)

    @property
    def recipe_directories(self) -> tuple[tuple[Path, Plugin], ...]:
        """Directories of recipes that plugins ship."""
        return tuple(self._recipe_directories)

    def entries(self, kind: type[Part] = Part) -> tuple[RegisteredPart, ...]:
        """Every registered part that fits a slot for `kind`, by kind and name."""
        fitting = [entry for entry in self._entries.values() if issubclass(entry.part, kind)]
        return tuple(sorted(fitting, key=lambda entry: (entry.part.kind, entry.name)))

    def names(self, kind: type[Part]) -> list[str]:
        """The names that fit a slot for `kind`."""
        return sorted(entry.name for entry in self.entries(kind))

    def find(self, kind: type[P], name: str) -> type[P] | None:
        """The part of `kind` whose name is, or once was, `name`; None if there is none."""
        key = (family(kind), name)
        entry = self._entries.get(key) or self._aliases.get(key)
        return entry.part if entry and issubclass(entry.part, kind) else None

    def of_any_kind(self, name: str) -> tuple[type[Part], ...]:
        """Parts called `name`, whatever their kind."""
        return tuple(entry.part for (_, known), entry in sorted(self._entries.items(), key=_by_kind) if known == name)

    def entry(self, part: type[Part]) -> RegisteredPart | None:
        """The name of a part class and its plugin; None if the class was never registered."""
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


_override: ContextVar[Registry | None] = ContextVar("partwise_registry", default=None)


@cache
def _installed() -> Registry:
    return Registry(load_plugins())


def registry() -> Registry:
    """The registry in force: everything installed, loaded on first use."""
    return _override.get() or _installed()


@contextmanager
def using(other: Registry) -> Iterator[Registry]:
    """Puts `other` in force within a `with` block; for tests."""
    token = _override.set(other)
    try:
        yield other
    finally:
        _override.reset(token)


named_by(lambda part: registry().name_of(part))
