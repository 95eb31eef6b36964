"""Names that are near one that is not known, and lists of those that are, short enough to read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import SequenceMatcher

from pydantic import BaseModel

from partwise.parts.part import Part
from partwise.parts.plugins import RESTRICTION, Plugin
from partwise.parts.registry import registry

from .knob_types import in_words, shape_of

_ARTICLE = re.compile(r"\b(a|an) ")
MOST_LISTED = 12
"""Names that a list shows before it counts the rest."""
NEAR = 0.6
"""How alike two names must be, from 0 to 1, for one to be suggested for the other."""
VERY_NEAR = 0.8
"""The same where the suggestion is a long shot."""


def nearest(given: str, known: Iterable[str]) -> list[str]:
    """The known names, the one most like `given` first."""
    return sorted(known, key=lambda name: (-_likeness(given, name), name))


def suggestion(given: str, known: Iterable[str], near: float = NEAR) -> str | None:
    """The name that was probably meant."""
    first = next(iter(nearest(given, known)), None)
    return first if first is not None and _likeness(given, first) >= near else None


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`, did you mean 'heads'?`, or nothing."""
    meant = suggestion(given, known)
    return "" if meant is None else f", did you mean {meant!r}?"


def _likeness(given: str, name: str) -> float:
    """Alike regardless of case and of - and _; a name also counts without its namespace."""
    given, name = (text[:100].lower().replace("-", "_") for text in (given, name))
    forms = {name, name.rpartition("/")[2]} if "/" not in given else {name}
    return max(SequenceMatcher(None, given, form).ratio() for form in forms)


def name_of(model: type[BaseModel]) -> str:
    """How errors call what has the knobs: the part's name, or "a recipe"."""
    if issubclass(model, Part):
        return registry().name_of(model)
    return f"a {model.__name__.lower()}"


def short_list(names: Iterable[str]) -> str:
    """`a, b, c and 30 more`."""
    every = list(names)
    if len(every) <= MOST_LISTED + 1:
        return ", ".join(every)
    return f"{', '.join(every[:MOST_LISTED])} and {len(every) - MOST_LISTED} more"


def knob_list(model: type[BaseModel], given: str = "") -> str:
    """`knobs: heads (a whole number greater than 0), bias (true or false)`; those most like `given` first."""
    fields = model.model_fields
    what = "knobs" if issubclass(model, Part) else "keys"
    if not fields:
        return f"it has no {what}"
    order = nearest(given, fields) if len(fields) > MOST_LISTED else list(fields)
    described = (f"{name} ({_ARTICLE.sub('', in_words(shape_of(fields[name])))})" for name in order)
    return f"{what}: {short_list(described)}"


def installed_list(kind: type[Part], given: str) -> str:
    """`installed: multi_head, acme/sinks (acme-sinks 0.3.1)`; those most like `given` first."""
    entries = {entry.name: entry for entry in registry().entries(kind)}
    if not entries:
        return f"installed: no {kind.kind}"
    return f"installed: {short_list(_with_origin(name, entries[name].plugin) for name in nearest(given, entries))}"


def _with_origin(name: str, plugin: Plugin) -> str:
    return name if plugin.builtin else f"{name} ({plugin.distribution} {plugin.version})"


def plugin_notes(given: str) -> tuple[str, ...]:
    """Why the part `given` may be unknown: its plugin is broken, or shut out, or not installed."""
    namespace, slash, _ = given.partition("/")
    known = {plugin.namespace: plugin for plugin in registry().plugins if not plugin.builtin}
    if slash and namespace not in known:
        if any(plugin.namespace == namespace for plugin in registry().plugins):
            return ("note: parts of partwise itself are named without a namespace",)
        allowed = os.environ.get(RESTRICTION)
        if allowed is None:
            return (f"note: no plugin {namespace!r} is installed",)
        return (f"note: no plugin {namespace!r} is loaded; {RESTRICTION}={allowed} restricts which are",)
    broken = [plugin for plugin in registry().broken if not slash or plugin.namespace == namespace]
    return tuple(f"note: plugin {plugin} failed to load: {plugin.problem}" for plugin in broken[:3])
