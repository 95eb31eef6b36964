"""One entry of the cache: a directory of files and a manifest that lists them.

An entry is written under another name, flushed to disk and then renamed: it is whole or it does not exist.
Damage that happens later (a file missing, or of another length than the manifest says) is noticed when the
entry is read. Any number of processes may read and write the same entry at once.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from partwise.storage.atomic import flush_to_disk

from .cache import writing_to_cache

MANIFEST = "manifest.json"
DAY = 24 * 60 * 60


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
def new_entry(entry: Path) -> Iterator[Path]:
    """An empty folder, which becomes `entry` when the `with` block ends and is removed if the block raises."""
    _remove_abandoned(entry)
    unfinished = entry.with_name(f"{entry.name}.{uuid.uuid4().hex}.part")
    try:
        with writing_to_cache(entry.parent):
            unfinished.mkdir()
        yield unfinished
        _install(unfinished, entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _remove_abandoned(entry: Path) -> None:
    """Removes unfinished folders of this entry that are older than a day: their processes were killed."""
    for left in entry.parent.glob(f"{entry.name}.*.part"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > DAY:
                shutil.rmtree(left)


def _install(finished: Path, entry: Path) -> None:
    """Gives an entry its name. If another process was first, its entry is kept, unless that is damaged."""
    aside = finished.with_name(f"{finished.name}.damaged.part")
    for _ in range(2):
        with suppress(OSError):
            finished.rename(entry)
            return
        if read_manifest(entry) is not None:
            return
        with suppress(OSError):
            entry.rename(aside)
            shutil.rmtree(aside)
