"""One entry of the cache: a directory of files and a manifest that lists them.

An entry is written under another name, flushed to disk and then renamed: it is whole or it does not exist.
Damage that happens later (a file missing, or of another length than the manifest says) is noticed when the
entry is read. Any number of processes may read and write the same entry at once: one writes, the others wait for it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from partwise.storage.atomic import flush_to_disk
from partwise.storage.locks import lock

from .cache import LostProcessError, writing_to_cache

MANIFEST = "manifest.json"
JOURNAL = "journal"
"""Lists what an unfinished entry holds."""
DAY = 24 * 60 * 60
LEFT = ".part"
"""Ends the names of unfinished entries."""
KEPT_FOR = {True: 7 * DAY, False: DAY}
"""Seconds that a killed process's work is kept: what can be gone on with, and what cannot."""
PAUSE = 0.05
"""Seconds between two looks at what another process is doing."""


def read_manifest(entry: Path) -> dict[str, Any] | None:
    """The manifest of an entry, if every file that it lists is there in full; else None."""
    try:
        manifest: dict[str, Any] = json.loads((entry / MANIFEST).read_text())
        files = manifest["files"]
        whole = all((entry / name).stat().st_size == size for name, (_, size) in files.items())
        whole = whole and "tokens" in files and "facts" in manifest
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return manifest if whole else None


def write_manifest(folder: Path, facts: Mapping[str, Any], files: Mapping[str, tuple[str, int]]) -> None:
    """Completes an entry whose files are written, and waits until all of it is on the disk.

    Args:
        facts: what is known of the split besides its arrays.
        files: dtype and size in bytes of each file.
    """
    with writing_to_cache(folder.parent):
        (folder / MANIFEST).write_text(json.dumps({"facts": facts, "files": files}))
        for path in folder.iterdir():
            flush_to_disk(path)


@contextmanager
def unfinished(entry: Path, wait: Callable[[], None]) -> Iterator[Path | None]:
    """A folder that becomes `entry` when the `with` block ends; None if another process has finished the entry while
    this one waited for it.

    The folder may hold what a killed process has left. It is removed if the block raises an error, and kept if the
    process is interrupted or killed, or lacks memory.

    Args:
        wait: called once, if there is another process to wait for.
    """
    _remove_abandoned(entry.parent)
    folder, handle = _own_folder(entry, wait)
    try:
        if read_manifest(entry) is not None:
            _remove(folder)
            yield None
            return
        yield folder
        if not _install(folder, entry):
            _remove(folder)
    except BaseException as error:
        is_bad_luck = not isinstance(error, Exception) or isinstance(error, MemoryError | LostProcessError)
        if not is_bad_luck or not _has_begun(folder):
            _remove(folder)
        raise
    finally:
        if handle is not None:
            os.close(handle)


def _own_folder(entry: Path, wait: Callable[[], None]) -> tuple[Path, int | None]:
    """The folder of an unfinished entry, locked for this process alone until its handle is closed; where there are no
    locks, a new one without a handle."""
    folder, waits = entry.with_name(entry.name + LEFT), False
    while True:
        with writing_to_cache(entry.parent), suppress(FileExistsError):
            folder.mkdir()
        try:
            handle = os.open(folder, os.O_RDONLY)
        except OSError:  # gone again, or no directory can be opened here
            if folder.exists():
                return _new_folder(entry), None
            continue
        outcome = lock(handle)
        with suppress(OSError):
            # What is locked may have been renamed or removed in the meantime.
            if outcome == "held" and os.path.samestat(os.fstat(handle), folder.stat()):
                return folder, handle
        os.close(handle)
        if outcome == "unsupported":
            return _new_folder(entry), None
        if outcome == "taken" and not waits:
            waits = True
            wait()
        if outcome == "taken":
            time.sleep(PAUSE)


def _new_folder(entry: Path) -> Path:
    folder = entry.with_name(f"{entry.name}.{uuid.uuid4().hex}{LEFT}")
    with writing_to_cache(entry.parent):
        folder.mkdir()
    return folder


def _has_begun(folder: Path) -> bool:
    """Whether there is anything to go on with."""
    with suppress(OSError):
        return (folder / JOURNAL).stat().st_size > 0
    return False


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    """Removes unfinished entries that nobody has touched for long: their processes were killed."""
    for left in parent.glob(f"*{LEFT}"):
        with suppress(OSError):
            resumable = left.name.count(".") == 1
            touched = max(path.stat().st_mtime for path in (left, *left.iterdir()))
            if time.time() - touched > KEPT_FOR[resumable]:
                _remove(left)


def _install(finished: Path, entry: Path) -> bool:
    """Gives an entry its name. If another process was first, its entry is kept, unless that is damaged.

    Returns whether `finished` is gone, because it has become the entry.
    """
    aside = finished.with_name(f"{entry.name}.{uuid.uuid4().hex}{LEFT}")
    for _ in range(2):
        with suppress(OSError):
            finished.rename(entry)
            return True
        if read_manifest(entry) is not None:
            return False
        with suppress(OSError):
            entry.rename(aside)
            shutil.rmtree(aside)
    return False
