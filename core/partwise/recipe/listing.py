"""The recipes and studies that are found by name, with their descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from partwise.errors import RecipeError

from .shipped import _files, is_study


@dataclass(frozen=True)
class Shipped:
    """A file that is found by name."""

    name: str
    path: Path
    about: str
    """The file's own description; empty if it has none, or cannot be read."""
    source: str
    """The plugin that ships it: "partwise", or "acme (acme-sinks 0.3.1)"."""


def recipes() -> list[Shipped]:
    """Every recipe that is found by name, partwise's own first."""
    return [shipped for shipped in _described() if not is_study(shipped.name)]


def studies() -> list[Shipped]:
    """Every study that is found by name, partwise's own first."""
    return [shipped for shipped in _described() if is_study(shipped.name)]


def _described() -> list[Shipped]:
    return [Shipped(name, path, _about(path), source) for name, path, source in _files()]


def _about(path: Path) -> str:
    from .files import read

    try:
        about = read(path).child("about")
    except RecipeError:  # a listing shows broken files, too
        return ""
    return about.value if about is not None and isinstance(about.value, str) else ""
