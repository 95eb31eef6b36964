"""One process at a time trains in a directory: a lock of the system, and a note that says who holds it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from partwise.errors import PartwiseError, WorkError
from partwise.storage.atomic import make_directory, read_json
from partwise.storage.locks import lock

from .layout import CLAIM, PARTIAL


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Keeps other processes from training in `directory`, which is made if need be, for the length of a `with` block.

    Two processes would write the same files. The system releases the lock when the process ends, however it ends. Files
    that a killed process left half-written are removed.

    Raises:
        InputError: it is a file.
        WorkError: another process is training in it (the message names it); or it cannot be made.
    """
    make_directory(directory)
    if sys.platform == "win32":  # cannot open a directory
        yield
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        outcome, other = lock(handle), holder(directory)
        # Where there are no locks, the note has to do.
        if outcome == "taken" or (outcome == "unsupported" and other):
            raise _taken(directory, other)
        if outcome == "held":
            _sweep(directory)
        _note(directory)
        try:
            yield
        finally:
            _forget(directory)
    finally:
        os.close(handle)


def holder(directory: Path) -> str | None:
    """The process that trains in `directory`, as `process 4711 on some-host`; None if none is known.

    It may still name a process that was killed on another machine: only that machine could tell.
    """
    try:
        note = read_json(directory / CLAIM)
    except PartwiseError:
        return None
    pid, host = note.get("process"), note.get("host")
    if type(pid) is not int or not 0 < pid < 2**31 or not isinstance(host, str):
        return None
    if host == platform.node() and not _alive(pid):
        return None
    return f"process {pid} on {host[:80]}"


def _taken(directory: Path, other: str | None) -> WorkError:
    who = f" ({other})" if other else ""
    return WorkError(
        f"another process is training in {directory}{who}; wait until it ends, or train into another directory"
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _note(directory: Path) -> None:
    """Notes which process is here. If it cannot be written (the disk is full), the lock still holds."""
    with suppress(OSError):
        (directory / CLAIM).unlink(missing_ok=True)
        with (directory / CLAIM).open("x") as file:  # a new file: what was there may be a link to somewhere else
            file.write(json.dumps({"process": os.getpid(), "host": platform.node()}) + "\n")


def _forget(directory: Path) -> None:
    with suppress(PartwiseError, OSError):
        if read_json(directory / CLAIM).get("process") == os.getpid():
            (directory / CLAIM).unlink()


def _sweep(directory: Path) -> None:
    """Removes what was being written when a process was killed."""
    for left in directory.iterdir():
        if not PARTIAL.fullmatch(left.name):
            continue
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
