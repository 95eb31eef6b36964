"""What a run was made with, written beside it so that its figures can be traced: `lock.json`."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from partwise.parts.part import Part, parts_within
from partwise.parts.registry import registry
from partwise.recipe.recipe import TRAINED
from partwise.wording import _some

from .sources import source_hash

if TYPE_CHECKING:
    from partwise.recipe import LoadedRecipe, Recipe


def lock(loaded: LoadedRecipe, data_hash: str | None) -> dict[str, Any]:
    """Every part of the recipe with the distribution, version and source it comes from, and the surroundings."""
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


def run_identity(recipe: Recipe, seed: int, data_hash: str) -> str:
    """Twenty hexadecimal digits that change with whatever decides what a run comes to: what is trained, the seed,
    the texts, and the code of the parts. Runs of one identity, in whichever study, are one run."""
    trained = {key: getattr(recipe, key) for key in TRAINED}
    parts = {type(part) for one in trained.values() for part in (one, *(inner for _, inner in parts_within(one)))}
    facts = {
        "recipe": {key: one.model_dump(mode="json") for key, one in trained.items()},
        "seed": seed,
        "data": data_hash,
        "code": sorted([f"{part.kind} {registry().name_of(part)}", source_hash(part)] for part in parts),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]


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
    """What is not as it was when a run was started, in words, from two locks."""
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
    return told + [f"{what} ({_some(names)})" for what, names in changed.items()]


def _called_today(name: str) -> str:
    """`attention acme/sinks`, by the name that it has now if that was changed (its `aliases`)."""
    kind, _, part = name.partition(" ")
    known = registry().kinds().get(kind)
    found = registry().find(known, part) if known else None
    return f"{found.kind} {registry().name_of(found)}" if found else name
