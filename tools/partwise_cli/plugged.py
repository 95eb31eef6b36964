"""The commands that plugins add, and what is wrong with plugins, found without building the registry."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache

import click

from partwise.plugins import load_plugins

from .text import visible


@dataclass
class Plugged:
    """What plugins bring to the command line."""

    commands: dict[str, click.Command] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """Broken plugins and refused commands, one line each."""


@cache
def plugged(taken: Collection[str]) -> Plugged:
    """The commands of all plugins; a name in `taken`, or an earlier plugin's, is refused with a note."""
    found = Plugged()
    for loaded in load_plugins():
        commands, plugin = loaded.call("partwise_commands")
        if plugin.problem:
            found.notes.append(visible(f"plugin {plugin} failed to load: {plugin.problem}"))
        for command in commands:
            refusal = _refusal(command, (*taken, *found.commands))
            if refusal:
                found.notes.append(visible(f"plugin {plugin}: {refusal}"))
            else:
                found.commands[command.name] = command
    return found


def _refusal(command: object, taken: Collection[str]) -> str | None:
    if not isinstance(command, click.Command) or not command.name:
        return f"partwise_commands() gave {command!r}, which is not a click command with a name"
    if command.name in taken:
        return f"its command {command.name!r} is left out: there is one of that name"
    return None
