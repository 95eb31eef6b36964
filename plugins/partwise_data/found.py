"""Documents that are found in a file, and where; the formats that find them and read them again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol


class Found(NamedTuple):
    """A document of a file."""

    start: int
    """Where it begins: a byte of what is unpacked, or the row of a table."""
    stop: int
    """Where the next may begin."""
    size: int
    """Bytes of its text; 0 if there is none."""
    digest: bytes
    """SHA-256 of its text; equal texts have equal ones, wherever they stand."""
    halves: bool = False
    """Whether halves of characters (lone surrogates, as JSON can hold) were replaced in it, each by a "?"."""


class Place(NamedTuple):
    """Where a document stands that is to be read."""

    file: int
    """Number of its file."""
    start: int
    stop: int
    size: int
    whole: bool
    """False if only a section of it is wanted, because it is cut."""


class Format(Protocol):
    """A way to keep documents in files. None holds more than a few documents, or portions of one, in memory."""

    def scan(self, path: Path) -> Iterator[Found]:
        """All documents of a file, empty ones included.

        Raises:
            InputError: the file is not as it should be; nothing that this lets pass fails in `read`.
        """
        ...

    def read(self, path: Path, places: Iterable[Place]) -> Iterator[tuple[Place, BinaryIO]]:
        """Some documents again, in the order of the file: each as UTF-8 that can be read until the next is asked
        for."""
        ...


def found_text(text: str, start: int, stop: int) -> Found:
    """A document that is held in memory."""
    try:
        raw, halves = text.encode(), False
    except UnicodeEncodeError:
        raw, halves = text.encode("utf-8", "replace"), True
    return Found(start, stop, len(raw), hashlib.sha256(raw).digest(), halves)
