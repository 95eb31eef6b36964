"""Places told from one another, so that directories that lie together can move together."""

from __future__ import annotations

import os
from pathlib import Path


def place_from(start: Path, place: Path) -> str:
    """Where `place` is as seen from the directory `start`: `../pool/3f2a9c41d0`; on another drive, its whole path."""
    try:
        return os.path.relpath(place.resolve(), start.resolve())
    except ValueError:  # another drive, on Windows
        return str(place.resolve())
