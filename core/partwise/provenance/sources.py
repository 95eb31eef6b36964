"""The code that parts come from: where it stands, and hashes of it."""

from __future__ import annotations

import hashlib
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from partwise.parts import Part, parts_within
from partwise.parts.registry import registry
from partwise.runs.identity import TRAINED

if TYPE_CHECKING:
    from partwise.recipe import Recipe


def source_line(part: type[Part]) -> str:
    """File and line of a part, from its package on: `partwise_positions/parts/rope.py:30`."""
    try:
        path, line = Path(inspect.getfile(part)), inspect.getsourcelines(part)[1]
    except (OSError, TypeError):
        return part.__module__
    package = path.parent
    while (package.parent / "__init__.py").is_file():
        package = package.parent
    return f"{path.relative_to(package.parent).as_posix()}:{line}"


def source_hash(part: type[Part]) -> str:
    """Changes whenever the code of a part may have: a hash of the Python files of the package it is from."""
    return _hash_of(part.__module__.partition(".")[0])


def code_of(recipe: Recipe) -> list[list[str]]:
    """The parts of what a recipe trains, each as `KIND NAME` with the hash of its source; sorted."""
    parts = {type(part) for path, part in parts_within(recipe) if path[0] in TRAINED}
    return sorted([f"{part.kind} {registry().name_of(part)}", source_hash(part)] for part in parts)


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
