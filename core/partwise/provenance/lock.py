"""`lock.json`: what a run was made with, written beside it so that its figures can be traced."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from partwise.parts.part import Part, parts_within
from partwise.parts.registry import registry
from partwise.wording import some_of

from .sources import source_hash

if TYPE_CHECKING:
    from partwise.recipe import LoadedRecipe


def lock(loaded: LoadedRecipe, data_hash: str | None) -> dict[str, Any]:
    """Every part of the recipe with its distribution, version and source, and the environment."""
    import torch

    parts = {type(part) for _, part in parts_within(loaded.recipe)}
    return {
        "partwise": version("partwise"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": f"{sys.platform}-{platform.machine()}",
        "threads": torch.get_num_threads(),  # sums in another order have other last bits
        "directory": str(loaded.directory_of("data").resolve()),
        "data": data_hash,
        "parts": dict(sorted(_origin(part) for part in parts)),
    }


def _origin(part: type[Part]) -> tuple[str, dict[str, str]]:
    entry = registry().entry(part)
    name = f"{part.kind} {registry().name_of(part)}"
    plugin = entry.plugin if entry else None
    return name, {
        "distribution": plugin.distribution if plugin else "unknown",
        "version": plugin.version if plugin else "unknown",
        "source": source_hash(part),
    }


def changes(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What has changed since a run was started, in words, from two locks."""
    told = [
        f"{name} {then[name]} is {now[name]} now"
        for name in ("partwise", "python", "torch", "platform", "threads")
        if name in then and then[name] != now[name]
    ]
    before, after = then.get("parts", {}), now.get("parts", {})
    changed: dict[str, list[str]] = {}
    for name, was in before.items() if isinstance(before, dict) else ():
        is_now = after.get(_called_today(name), was)
        if was.get("version") != is_now.get("version"):
            what = f"{was.get('distribution')} {was.get('version')} is {is_now.get('version')} now"
        elif was.get("source") != is_now.get("source"):
            what = f"{was.get('distribution')} {was.get('version')} has other code now"
        else:
            continue
        changed.setdefault(what, []).append(name)
    return told + [f"{what} ({some_of(names)})" for what, names in changed.items()]


def _called_today(name: str) -> str:
    """`attention acme/sinks` under its present name, should it have been renamed (see `Part.aliases`)."""
    kind, _, part = name.partition(" ")
    known = registry().kinds().get(kind)
    found = registry().find(known, part) if known else None
    return f"{found.kind} {registry().name_of(found)}" if found else name
