"""Plugins as the loader gives them, of which nothing is installed."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from partwise.parts.plugins import LoadedPlugin, Plugin


def loaded(
    plugin: Plugin, parts: Iterable[Any] = (), recipes: Iterable[Any] = (), commands: Iterable[Any] = ()
) -> LoadedPlugin:
    """A plugin that offers these; one with a `problem` offers nothing."""
    hooks: Any = SimpleNamespace(
        partwise_parts=lambda: [parts], partwise_recipes=lambda: [recipes], partwise_commands=lambda: [commands]
    )
    return LoadedPlugin(plugin, None if plugin.problem else hooks)
