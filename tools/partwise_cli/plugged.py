"""The commands that plugins add, and notes on broken plugins, without building the registry."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import click

from .text import visible

if TYPE_CHECKING:
    from partwise.parts.plugins import LoadedPlugin


@dataclass
class Plugged:
    """What plugins add to the command line."""

    commands: dict[str, click.Command] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Broken plugins and refused commands, one line each."""


@cache
def plugged(taken: Collection[str]) -> Plugged:
    """The commands of all plugins; a name in `taken`, or an earlier plugin's, is refused with a note."""
    found = Plugged()
    for loaded in third_party():
        commands, plugin = loaded.call("partwise_commands")
        if plugin.problem:
            first, more, _ = plugin.problem.partition("\n")
            hint = "; see `partwise plugins`" if more else ""
            found.notes.append(visible(f"plugin {plugin} failed to load: {first}{hint}"))
        for command in commands:
            refusal = _refusal(command, (*taken, *found.commands))
            if refusal:
                found.notes.append(visible(f"plugin {plugin}: {refusal}"))
            else:
                found.commands[command.name] = command
    return found


def third_party() -> list[LoadedPlugin]:
    """Third-party plugins. Built-in ones add no commands; without others, none is loaded, so that --help is quick."""
    entries = importlib.metadata.entry_points(group="partwise")
    distributions = {id(entry.dist): entry.dist for entry in entries}.values()
    if all(one is not None and one.name == "partwise" for one in distributions):
        return []
    from partwise.parts.plugins import load_plugins

    return [loaded for loaded in load_plugins() if not loaded.plugin.builtin]


def _refusal(command: object, taken: Collection[str]) -> str | None:
    if not isinstance(command, click.Command) or not command.name:
        return f"partwise_commands() gave {command!r}, which is not a click command with a name"
    if command.name in taken:
        return f"its command {command.name!r} is left out: there is another of that name"
    return None
