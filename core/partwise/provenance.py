"""What a run was made with, written beside it so that its figures can be traced: `lock.json`."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .parts import Part, parts_within
from .recipe.recipe import TRAINED
from .registry import registry

if TYPE_CHECKING:
    from .recipe import LoadedRecipe, Recipe


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


def source_hash(part: type[Part]) -> str:
    """Changes whenever the code of a part may have: a hash of the Python files of the package it is from."""
    return _hash_of(part.__module__.partition(".")[0])


@cache
def _hash_of(module: str) -> str:
    file = getattr(sys.modules[module], "__file__", None)
    if file is None:
        return "unknown"
    place = Path(file)
    # A module that is a file of its own may lie among all that is installed.
    files = sorted(place.parent.rglob("*.py")) if place.name == "__init__.py" else [place]
    digest = hashlib.sha256()
    for source in files:
        digest.update(str(source.relative_to(place.parent)).encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


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


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
