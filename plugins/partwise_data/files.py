"""Finds and reads the files that a recipe names; every error names the file and the fix."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from partwise import InputError, PartError


def find_files(patterns: Iterable[str], directory: Path) -> tuple[Path, ...]:
    """The files that names and globs stand for: in the order given, each once, those of a glob sorted.

    Empty files are among those of a glob, unless there are no others.

    Raises:
        PartError: there is no such file, or it is a directory, empty, or cannot be read.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        found.update(dict.fromkeys(_matches(pattern, directory)))
    return tuple(found)


def others(files: Sequence[Path], held_out: Sequence[Path]) -> list[Path]:
    """The files that are none of those held out, under whatever name.

    Raises:
        PartError: there are none.
    """
    held = {path.resolve() for path in held_out}
    found = [path for path in files if path.resolve() not in held] if held else list(files)
    if not found:
        raise PartError("every one of the files is in valid_files or test_files; nothing is left to train on")
    return found


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
    names = sorted(glob.glob(pattern, root_dir=directory, recursive=True))
    sizes = {path: size for path in (directory / name for name in names) if (size := _size_of_file(path)) is not None}
    if not any(sizes.values()):
        what = "only empty files or directories match" if names else "no file matches"
        raise PartError(f"{what} {pattern!r} in {directory.resolve()}; patterns are relative to the recipe's directory")
    return list(sizes)


def _suggestion(missing: Path) -> str:
    if not missing.parent.is_dir():
        return f" (nor a directory {missing.parent})"
    near = get_close_matches(missing.name, (path.name for path in missing.parent.iterdir()), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _size(path: Path) -> int:
    size = _size_of_file(path)
    if size is None:  # a pipe can be read only once, a device has no end
        raise PartError(f"{path} is no regular file, and texts are read more than once; put them into a file")
    return size


def _size_of_file(path: Path) -> int | None:
    """Bytes of a file that can be read; None if it is no regular file. Quick, for there may be 200,000."""
    try:
        status = os.stat(path)
        if not os.access(path, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileNotFoundError:  # a link that leads nowhere
        return None
    except OSError as error:
        raise PartError(f"cannot read {path}: {error.strerror}; check its permissions") from error
    return status.st_size if stat.S_ISREG(status.st_mode) else None


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
