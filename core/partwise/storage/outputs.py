"""Files that the user names for a command to write.

A regular file is replaced whole, and keeps its permissions; a symbolic link stays, and the file that it leads to is
replaced; a pipe or a device is written to. Files of runs and caches, whose names nobody chose, are `atomic`'s: a link
among them is replaced, so that a run from a stranger cannot lead elsewhere.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from partwise.errors import InputError, WorkError

from .atomic import unwritable, write_whole


def write_output(place: Path, content: str | bytes) -> None:
    """Writes a text (as UTF-8) or bytes to where the user said.

    Raises:
        InputError: nothing can be written there: a directory, a file that must not be changed, no such directory.
        WorkError: it could not be written (a full disk, a pipe that nobody reads); a file that was there is untouched.
    """
    raw = content.encode("utf-8") if isinstance(content, str) else content
    there = check_output(place)
    if there is not None and not stat.S_ISREG(there.st_mode):
        try:
            with open(place, "wb", buffering=0) as file:
                _write_all(file.fileno(), raw)
        except OSError as error:
            raise WorkError(f"cannot write {place}: {error.strerror or error}") from error
        return

    def write(temporary: Path) -> None:
        temporary.write_bytes(raw)
        if there is not None:
            with suppress(OSError):  # not on every file system, and not everybody may
                os.chown(temporary, there.st_uid, there.st_gid)
            temporary.chmod(stat.S_IMODE(there.st_mode))

    try:
        write_whole(Path(os.path.realpath(place)), write)
    except WorkError as error:
        if isinstance(error.__cause__, OSError):
            raise unwritable(place, error.__cause__) from error.__cause__
        raise


def check_output(place: Path) -> os.stat_result | None:
    """What is at a place to write to, before any time is spent; None if nothing is there yet.

    Raises:
        InputError: nothing can be written there.
    """
    try:
        there = os.stat(place)
    except FileNotFoundError:
        parent = Path(os.path.realpath(place)).parent
        if not parent.is_dir():
            what = "is a file" if parent.exists() else "does not exist"
            raise InputError(f"cannot write {place}: the directory {parent} {what}") from None
        return None
    except OSError as error:
        raise InputError(f"cannot write {place}: {error.strerror or error}") from error
    if stat.S_ISDIR(there.st_mode):
        raise InputError(f"cannot write {place}: it is a directory; name a file in it")
    if not os.access(place, os.W_OK):
        raise InputError(f"cannot write {place}: you have no permission to change it; name another file")
    return there


def _write_all(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


__all__ = ["check_output", "write_output"]
