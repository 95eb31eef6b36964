"""Known names that are like an unknown one, and lists of names that are short enough to read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import SequenceMatcher

from pydantic import BaseModel

from partwise.parts.part import Part
from partwise.parts.plugins import RESTRICTION, Plugin
from partwise.parts.registry import registry
from partwise.parts.shapes import shape_of
from partwise.wording import with_article

from .knob_types import in_words

_ARTICLE = re.compile(r"\b(a|an) ")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
MOST_LISTED = 12
"""Most names that a list shows; the rest are counted."""
NEAR = 0.6
"""How similar two names must be, from 0 to 1, for one to be suggested for the other."""
VERY_NEAR = 0.8
"""The same, where a suggestion is less likely to be right."""


def nearest(given: str, known: Iterable[str]) -> list[str]:
    """The known names, the most similar to `given` first."""
    return sorted(known, key=lambda name: (-_likeness(given, name), name))


def suggestion(given: str, known: Iterable[str], near: float = NEAR) -> str | None:
    """The name that was probably meant; None if no name is similar enough."""
    first = next(iter(nearest(given, known)), None)
    return first if first is not None and _likeness(given, first) >= near else None


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`, did you mean 'heads'?`, or nothing."""
    meant = suggestion(given, known)
    return "" if meant is None else f", did you mean {meant!r}?"


def _likeness(given: str, name: str) -> float:
    """Similarity, ignoring case and the difference between - and _; a name also counts without its namespace."""
    given, name = (text[:100].lower().replace("-", "_") for text in (given, name))
    forms = {name, name.rpartition("/")[2]} if "/" not in given else {name}
    return max(SequenceMatcher(None, given, form).ratio() for form in forms)


def name_of(model: type[BaseModel]) -> str:
    """The owner of knobs, for errors: the part's name, or "a recipe"."""
    if issubclass(model, Part):
        return registry().name_of(model)
    return with_article(_HUMP.sub(" ", model.__name__).lower())


def short_list(names: Iterable[str]) -> str:
    """`a, b, c and 30 more`."""
    every = list(names)
    if len(every) <= MOST_LISTED + 1:
        return ", ".join(every)
    return f"{', '.join(every[:MOST_LISTED])} and {len(every) - MOST_LISTED} more"


def knob_list(model: type[BaseModel], given: str = "") -> str:
    """`knobs: heads (a whole number greater than 0), bias (true or false)`; the most similar to `given` first."""
    fields = model.model_fields
    what = "knobs" if issubclass(model, Part) else "keys"
    if not fields:
        return f"it has no {what}"
    order = nearest(given, fields) if len(fields) > MOST_LISTED else list(fields)
    described = (f"{name} ({_ARTICLE.sub('', in_words(shape_of(fields[name])))})" for name in order)
    return f"{what}: {short_list(described)}"


def installed_list(kind: type[Part], given: str) -> str:
    """`installed: multi_head, acme/sinks (acme-sinks 0.3.1)`; the most similar to `given` first."""
    entries = {entry.name: entry for entry in registry().entries(kind)}
    if not entries:
        return f"installed: no {kind.kind}"
    return f"installed: {short_list(_with_origin(name, entries[name].plugin) for name in nearest(given, entries))}"


def _with_origin(name: str, plugin: Plugin) -> str:
    return name if plugin.builtin else f"{name} ({plugin.distribution} {plugin.version})"


def plugin_notes(given: str) -> tuple[str, ...]:
    """Why the part `given` may be unknown: its plugin is broken, not allowed, or not installed."""
    namespace, slash, _ = given.partition("/")
    known = {plugin.namespace: plugin for plugin in registry().plugins if not plugin.builtin}
    if slash and namespace not in known:
        if any(plugin.namespace == namespace for plugin in registry().plugins):
            return ("note: partwise's own parts have names without a namespace",)
        allowed = os.environ.get(RESTRICTION)
        if allowed is None:
            return (f"note: no plugin {namespace!r} is installed",)
        return (f"note: no plugin {namespace!r} is loaded; {RESTRICTION}={allowed} restricts which are",)
    broken = [plugin for plugin in registry().broken if not slash or plugin.namespace == namespace]
    return tuple(f"note: plugin {plugin} failed to load: {plugin.problem}" for plugin in broken[:3])
