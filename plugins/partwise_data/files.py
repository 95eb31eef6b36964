"""Finds and reads the files that a recipe names; every error names the file and the fix."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from partwise import InputError, PartError


def find_files(patterns: Iterable[str], directory: Path) -> tuple[Path, ...]:
    """The files that names and globs stand for: in the order given, each once, those of a glob sorted.

    Raises:
        PartError: there is no such file, or it is a directory, empty, or cannot be read.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        found.update(dict.fromkeys(_matches(pattern, directory)))
    return tuple(found)


def _matches(pattern: str, directory: Path) -> list[Path]:
    named = directory / pattern
    if named.is_dir():
        raise PartError(f"{named} is a directory; name the files in it, for example {str(Path(pattern, '*.txt'))!r}")
    if named.exists():
        if _size(named) == 0:
            raise PartError(f"{named} is empty; put text into it or leave it out")
        return [named]
    if not glob.has_magic(pattern):
        raise PartError(
            f"there is no file {named}{_suggestion(named)}; names are relative to the recipe's directory (and in --set "
            "'data.files=[...]' to the current one)"
        )
    paths = [directory / name for name in sorted(glob.glob(pattern, root_dir=directory, recursive=True))]
    full = [path for path in paths if path.is_file() and _size(path)]
    if not full:
        what = "only empty files or directories match" if paths else "no file matches"
        raise PartError(f"{what} {pattern!r} in {directory.resolve()}; patterns are relative to the recipe's directory")
    return full


def _suggestion(missing: Path) -> str:
    if not missing.parent.is_dir():
        return f" (nor a directory {missing.parent})"
    near = get_close_matches(missing.name, (path.name for path in missing.parent.iterdir()), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _size(path: Path) -> int:
    try:
        if not path.is_file():  # a pipe can be read only once, a device has no end
            raise PartError(f"{path} is no regular file, and texts are read more than once; put them into a file")
        with path.open("rb"):
            return path.stat().st_size
    except OSError as error:
        raise PartError(f"cannot read {path}: {error.strerror}; check its permissions") from error


def content_hash(path: Path) -> str:
    """A hash of the content of a file, which is read in small portions. Its name and date do not count."""
    try:
        status = path.stat()
        return _hash(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


@cache
def _hash(path: Path, size: int, modified: int) -> str:
    """Cached, so that one process reads a file that has not changed only once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
