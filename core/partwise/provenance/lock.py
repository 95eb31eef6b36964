"""`lock.json`: what a run was made with, written beside it so that its figures can be traced."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError
from partwise.parts.part import Part, parts_within
from partwise.parts.registry import registry
from partwise.storage.places import place_from
from partwise.wording import some_of

from .sources import source_hash

if TYPE_CHECKING:
    from partwise.recipe import LoadedRecipe


def lock(loaded: LoadedRecipe, data_hash: str | None, run: Path | None = None) -> dict[str, Any]:
    """Every part of the recipe with its distribution, version and source, and the environment.

    Args:
        run: the run's directory, which the directory of the data is relative to: both may move together.
    """
    import torch

    data = loaded.directory_of("data").resolve()
    parts = {type(part) for _, part in parts_within(loaded.recipe)}
    judges = {name: loaded.directory_of("evaluations", name).resolve() for name in loaded.recipe.evaluations}
    facts = {
        "partwise": version("partwise"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": f"{sys.platform}-{platform.machine()}",
        "threads": torch.get_num_threads(),  # sums in another order have other last bits
        "directory": str(data) if run is None else place_from(run, data),
        "directory_then": str(data),
        "data": data_hash,
        "parts": dict(sorted(_origin(part) for part in parts)),
    }
    if loaded.recipe.start is not None:
        facts["start"] = _start(loaded, run)
    if judges:
        facts["evaluations"] = {
            name: [str(place) if run is None else place_from(run, place), str(place)] for name, place in judges.items()
        }
    return facts


def _start(loaded: LoadedRecipe, run: Path | None) -> dict[str, Any]:
    """The weights that a run started from: their hash, and where they were."""
    start = loaded.recipe.start
    assert start is not None, "it has a start"
    try:
        place = loaded.start_directory().resolve()
    except InputError:  # the training has gone on from them, and they are needed no more
        return {"weights": start.weights, "sha256": start.sha256}
    return {
        "run": str(place) if run is None else place_from(run, place),
        "run_then": str(place),
        "weights": start.weights,
        "sha256": start.sha256,
    }


def start_places(lock: Mapping[str, Any], run: Path) -> list[Path]:
    """Where the run may be that a run started from, likeliest first, as for its data."""
    start = lock.get("start", {})
    written = [start.get(key) for key in ("run", "run_then")] if isinstance(start, dict) else []
    return [Path(os.path.normpath(run.resolve() / place)) for place in written if isinstance(place, str)]


def evaluation_places(lock: Mapping[str, Any], run: Path, name: str) -> list[Path]:
    """Where the files of one of a run's evaluations may be, likeliest first, as for its data."""
    written = lock.get("evaluations", {})
    found = written.get(name, []) if isinstance(written, dict) else []
    return [Path(os.path.normpath(run.resolve() / place)) for place in found if isinstance(place, str)]


def data_places(lock: Mapping[str, Any], run: Path) -> list[Path]:
    """Where the data of a run may be, likeliest first: as far from the run as when it was started (both have moved, or
    neither), or where it was then (only the run has moved)."""
    written = [lock.get(key) for key in ("directory", "directory_then")]
    places = [run.resolve() / place for place in written if isinstance(place, str)]
    found = dict.fromkeys(Path(os.path.normpath(place)) for place in places)
    return sorted(found, key=lambda place: not place.is_dir()) or [Path()]


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
