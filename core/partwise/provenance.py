"""What a run was made with, written beside it so that its figures can be traced: `lock.json`."""

from __future__ import annotations

import hashlib
import inspect
import platform
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .parts import Part, parts_within
from .registry import registry

if TYPE_CHECKING:
    from .interfaces import Data
    from .recipe import LoadedRecipe


def lock(loaded: LoadedRecipe, data: Data) -> dict[str, Any]:
    """Every part of the recipe with the distribution, version and source it comes from, and the surroundings."""
    import torch

    parts = {part for _, part in parts_within(loaded.recipe)}
    return {
        "partwise": version("partwise"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": f"{sys.platform}-{platform.machine()}",
        "directory": str(loaded.directory.resolve()),
        "data": data.identity(),
        "parts": dict(sorted(_origin(type(part)) for part in parts)),
    }


def _origin(part: type[Part]) -> tuple[str, dict[str, str]]:
    entry = registry().entry(part)
    name = f"{part.kind} {registry().name_of(part)}"
    plugin = entry.plugin if entry else None
    return name, {
        "distribution": plugin.distribution if plugin else "unknown",
        "version": plugin.version if plugin else "unknown",
        "source": _source_hash(Path(inspect.getfile(part)).parent),
    }


@cache
def _source_hash(package: Path) -> str:
    """A hash of the Python files of a plugin's package: it changes whenever a part's code may have."""
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(str(file.relative_to(package)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
