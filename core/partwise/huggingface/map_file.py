"""Which files hold a family's maps. Light: `partwise check` asks this of every file."""

from __future__ import annotations

from pathlib import Path

from partwise.errors import PartwiseError
from partwise.recipe import read

SUFFIX = ".weights.json"
MARK = "partwise_weights"
"""The key that every map has, and nothing else."""


def holds_map(given: str) -> bool:
    """Whether this is the file of a weight map; also False if there is none, or it cannot be read as JSON."""
    path = Path(given)
    if given.endswith(SUFFIX):
        return path.is_file()
    try:
        return path.exists() and not path.is_dir() and MARK in read(path).members
    except PartwiseError:
        return False
