"""The files of an entry while they are written, and a journal of what they hold.

Numbers are appended chunk by chunk, each followed by a line in the journal: how long every file is now, what has been
counted, and the hash of all texts so far. Whoever comes after a process that was killed reads the texts again, and
need not encode those whose hash stands there.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from .cache import writing_to_cache
from .cache_entry import JOURNAL, write_manifest
from .encoded import Array
from .text_facts import TextFacts

_AT_ONCE = 1 << 22
"""Bytes read at a time."""


@dataclass(frozen=True)
class Step:
    """What the files hold once a chunk is written."""

    texts: str
    """A hash of all texts up to here."""
    facts: TextFacts
    """What is counted up to here."""
    sizes: dict[str, int]
    """Bytes of each file."""
    checksums: dict[str, int]
    """Of the bytes that the chunk added to each file."""


class SplitFiles:
    """Files of numbers in a folder, to be closed by `with`; `steps` are those that an earlier process has written."""

    def __init__(self, folder: Path, first: Mapping[str, Array]) -> None:
        """
        Args:
            folder: holds these files and their journal, or nothing.
            first: what each file begins with, before any chunk.
        """
        self._folder, self._first = folder, dict(first)
        self._start = Step("", TextFacts(), {name: array.nbytes for name, array in first.items()}, {})
        self.steps = self._found()
        """What is written, chunk by chunk."""
        self._open = ExitStack()
        with self._writing(), ExitStack() as opened:
            self._files = {name: opened.enter_context(_opened(folder / name)) for name in first}
            self._journal = opened.enter_context(_opened(folder / JOURNAL))
            self._open = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # what is written at last on a full disk
            self._open.close()

    @property
    def last(self) -> Step:
        """What the files hold now."""
        return self.steps[-1] if self.steps else self._start

    def keep(self, count: int) -> None:
        """Forgets all steps but the first `count`. To be called once, before anything is appended."""
        self.steps = self.steps[:count]
        with self._writing():
            if not self.steps:
                for name, array in self._first.items():
                    _cut(self._files[name], 0)
                    self._files[name].write(array.tobytes())
            for name, size in self.last.sizes.items():
                _cut(self._files[name], size)
            _cut(self._journal, 0)
            self._journal.writelines(map(_line, self.steps))
            self._journal.flush()

    def append(self, arrays: Mapping[str, Array], facts: TextFacts, texts: str) -> None:
        """Writes a chunk.

        Args:
            arrays: what to append to each file; places in `bounds`, `cuts` and `labels` are those in the chunk.
            facts: what is counted of it.
            texts: a hash of all texts up to its end.

        Raises:
            WorkError: the disk is full, or fails otherwise.
        """
        begins = self.last.sizes["tokens"] // self._first["tokens"].itemsize
        sizes, checksums = dict(self.last.sizes), {}
        with self._writing():
            for name, array in arrays.items():
                placed = np.where(array < 0, array, array + begins) if name in ("bounds", "cuts", "labels") else array
                content = np.ascontiguousarray(placed, self._first[name].dtype).data
                self._files[name].write(content)
                self._files[name].flush()
                _begin_to_flush(self._files[name], sizes[name], content.nbytes)
                sizes[name] += content.nbytes
                checksums[name] = zlib.crc32(content)
            step = Step(texts, self.last.facts + facts, sizes, checksums)
            self._journal.write(_line(step))
            self._journal.flush()
        self.steps.append(step)

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Closes the files and completes the entry.

        Raises:
            WorkError: the disk is full, or fails otherwise.
        """
        with self._writing():
            self._open.close()
            (self._folder / JOURNAL).unlink()
        files = {name: (array.dtype.str, self.last.sizes[name]) for name, array in self._first.items()}
        write_manifest(self._folder, {**asdict(self.last.facts), **facts}, files)

    def _writing(self) -> Any:
        return writing_to_cache(self._folder.parent)

    def _found(self) -> list[Step]:
        """The steps that the journal lists and the files hold."""
        steps: list[Step] = []
        with suppress(OSError, ValueError, TypeError, KeyError), ExitStack() as opened:
            files = {name: opened.enter_context((self._folder / name).open("rb")) for name in self._first}
            for name, array in self._first.items():
                if files[name].read(array.nbytes) != array.tobytes():
                    return []
            for line in opened.enter_context((self._folder / JOURNAL).open("rb")):
                step = _step(line)
                before = (steps[-1] if steps else self._start).sizes
                for name, file in files.items():
                    if _checksum(file, step.sizes[name] - before[name]) != step.checksums[name]:
                        return steps
                steps.append(step)
        return steps


def _opened(path: Path) -> IO[bytes]:
    path.touch()
    return path.open("r+b")


def _cut(file: IO[bytes], size: int) -> None:
    file.truncate(size)
    file.seek(size)


def _begin_to_flush(file: IO[bytes], start: int, size: int) -> None:
    """Lets some bytes go to the disk without waiting for that, so that there is little to wait for in the end."""
    with suppress(AttributeError, OSError):  # not every system can be told
        os.posix_fadvise(file.fileno(), start, size, os.POSIX_FADV_DONTNEED)


def _line(step: Step) -> bytes:
    return json.dumps(asdict(step)).encode() + b"\n"


def _step(line: bytes) -> Step:
    saved = json.loads(line)
    return Step(saved["texts"], TextFacts(**saved["facts"]), saved["sizes"], saved["checksums"])


def _checksum(file: IO[bytes], size: int) -> int:
    """Checksum of the next `size` bytes; EOFError if there are fewer."""
    checksum = 0
    while size > 0:
        content = file.read(min(size, _AT_ONCE))
        if not content:
            raise ValueError("the file is shorter than its journal says")
        checksum = zlib.crc32(content, checksum)
        size -= len(content)
    return checksum
