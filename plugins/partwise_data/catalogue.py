"""A list of the documents in files, made by reading them once and kept in the cache.

It says where each document is, how large, and a part of the hash of its text. Whoever reads documents again, or asks
how they are divided, need not read the others. It takes 32 bytes for each, which are read by memory map.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from partwise import InputError, WorkError
from partwise.data import cache_directory, made_in_cache

from .formats import format_of
from .splits import digest, place_of

VERSION = 2
"""Changes with the layout, and with what is found in the same files."""
RECORD = struct.Struct("<qqqQ")
DOCUMENT = np.dtype([("start", "<i8"), ("stop", "<i8"), ("size", "<i8"), ("place", "<u8")])
SETTLED = 2.0
"""Seconds since the last change of a file after which another would show in its times."""
DAY = 24 * 60 * 60


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The documents of some files, in the order of the files; empty ones are left out."""

    files: tuple[Path, ...]
    changed: npt.NDArray[np.int64]
    """[files, 2]: bytes of each file, and when it was changed last, in nanoseconds."""
    documents: npt.NDArray[Any]
    """[documents], of type DOCUMENT."""
    bounds: npt.NDArray[np.int64]
    """[files + 1]: number of the first document of each file."""
    empty: int
    """Documents that were left out because they hold nothing."""
    halves: int
    """Documents in which halves of characters were replaced."""
    digest: str
    """A hash of all texts, in order."""

    def check_unchanged(self, file: int) -> None:
        """
        Raises:
            InputError: a file is not what it was when it was listed.
        """
        if _times(self.files[file])[:2] != tuple(self.changed[file].tolist()):
            raise InputError(
                f"{self.files[file]} was changed while it was read; start again once nothing writes to it any more"
            )


def catalogue_of(files: Sequence[Path], field: str, separator: str | None) -> Catalogue:
    """The list of the documents in files: from the cache if no file has changed since, or made now.

    Raises:
        InputError: a file cannot be read, is not as it should be, or changes while it is read.
        WorkError: the list cannot be written.
    """
    times = [_times(path) for path in files]
    kept = _kept(files, times, field, separator)
    changed = np.array([facts[:2] for facts in times], np.int64).reshape(len(files), 2)
    found = _opened(kept, tuple(files), changed)
    if found is not None:
        return found
    began = time.time() - SETTLED
    with _new_file(kept) as (unfinished, file):
        _write(file, files, times, field, separator)
        found = _opened(unfinished, tuple(files), changed)
        assert found is not None, "it was just written"
        if all(max(facts[1:3]) < began * 1e9 for facts in times):
            with _writing(kept.parent), suppress(PermissionError):  # on Windows, where another process reads it
                unfinished.replace(kept)
    return found


def is_listed(files: Sequence[Path], field: str, separator: str | None) -> bool:
    """Whether the cache has the list, so that no file is read for it."""
    return _kept(files, [_times(path) for path in files], field, separator).is_file()


def _kept(files: Sequence[Path], times: Sequence[tuple[int, ...]], field: str, separator: str | None) -> Path:
    """Where the cache keeps the list of the documents in files."""
    names = hashlib.sha256()
    for path, facts in zip(files, times, strict=True):
        names.update(json.dumps([os.path.abspath(path), *facts]).encode())
    return cache_directory() / "documents" / digest(VERSION, field, separator, names.hexdigest())[:32]


def _times(path: Path) -> tuple[int, int, int, int]:
    """Bytes, times of the last changes of content and of anything, and the number of the file."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _write(
    out: BinaryIO,
    files: Sequence[Path],
    times: Sequence[tuple[int, ...]],
    field: str,
    separator: str | None,
) -> None:
    """Reads all files, and writes: documents, bounds, facts as JSON, and the length of these."""
    contents, bounds, count, empty, halves = hashlib.sha256(), [0], 0, 0, 0
    folder = Path(out.name).parent
    for path, before in zip(files, times, strict=True):
        records = bytearray()
        for found in _scanned(path, field, separator):
            if not found.size:
                empty += 1
                continue
            contents.update(found.digest)
            records += RECORD.pack(found.start, found.stop, found.size, place_of(found.digest.hex()))
            count += 1
            halves += found.halves
            if len(records) > 1 << 20:
                with _writing(folder):
                    out.write(records)
                records.clear()
        with _writing(folder):
            out.write(records)
        bounds.append(count)
        if _times(path) != before:
            raise InputError(f"{path} was changed while it was read; start again once nothing writes to it any more")
    facts = json.dumps({"documents": count, "empty": empty, "halves": halves, "digest": contents.hexdigest()}).encode()
    with _writing(folder):
        out.write(np.array(bounds, "<i8").tobytes() + facts + len(facts).to_bytes(8, "little"))
        out.flush()
        os.fsync(out.fileno())


def _scanned(path: Path, field: str, separator: str | None) -> Iterator[Any]:
    try:
        yield from format_of(path, field, separator).scan(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _opened(kept: Path, files: tuple[Path, ...], changed: npt.NDArray[np.int64]) -> Catalogue | None:
    """A list that was written, if it is whole."""
    try:
        with kept.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(size - 8)
            length = int.from_bytes(file.read(8), "little")
            file.seek(size - 8 - length)
            facts = json.loads(file.read(length))
            count = facts["documents"]
            file.seek(count * RECORD.size)
            bounds = np.frombuffer(file.read(8 * (len(files) + 1)), "<i8")
            if size != count * RECORD.size + bounds.nbytes + length + 8 or len(bounds) != len(files) + 1:
                return None
        # An empty file cannot be mapped.
        documents = np.memmap(kept, DOCUMENT, "r", shape=count) if count else np.empty(0, DOCUMENT)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Catalogue(files, changed, documents, bounds, facts["empty"], facts["halves"], facts["digest"])


@contextmanager
def _new_file(kept: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file beside `kept`, which is removed unless it got that name. Mapped memory outlives the file."""
    made_in_cache(kept.parent)
    with _writing(kept.parent):
        for left in kept.parent.glob("*.part"):  # of processes that were killed
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > DAY:
                    left.unlink()
        unfinished = kept.with_name(f"{kept.name}.{uuid.uuid4().hex}.part")
        file = unfinished.open("wb")
    try:
        with file:
            yield unfinished, file
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkError(
            f"cannot write the list of documents to {folder}: {error.strerror}; make room there, or name another "
            "directory in PARTWISE_CACHE"
        ) from error
