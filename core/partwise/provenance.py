"""What a run was made with, written beside it so that its figures can be traced: `lock.json`."""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .parts import Part, parts_within
from .registry import registry

if TYPE_CHECKING:
    from .recipe import LoadedRecipe


def lock(loaded: LoadedRecipe, data_hash: str) -> dict[str, Any]:
    """Every part of the recipe with the distribution, version and source it comes from, and the surroundings."""
    import torch

    parts = {type(part) for _, part in parts_within(loaded.recipe)}
    return {
        "partwise": version("partwise"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": f"{sys.platform}-{platform.machine()}",
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
