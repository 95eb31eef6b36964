"""Documents, the unit that belongs to one split or another: each text file is one, and so is each JSON line."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from partwise import InputError

from .lines import json_strings, lines_of

LINES = frozenset({".jsonl", ".ndjson"})
"""Suffixes of files with a document on each line."""
MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Document:
    """One text, on the disk or in memory."""

    path: Path
    """The file that it is, or that it is a line of."""
    text: bytes | None = None
    """UTF-8; None if it is a whole file, which may be too large for memory."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size if self.text is None else len(self.text)

    @property
    def key(self) -> str:
        """A hash of the text; equal texts have equal keys, wherever they stand."""
        if self.text is not None:
            return hashlib.sha256(self.text).hexdigest()
        status = self.path.stat()
        return _file_key(self.path, status.st_size, status.st_mtime_ns)

    def open(self) -> BinaryIO:
        """The bytes, to be read from the start."""
        return self.path.open("rb") if self.text is None else io.BytesIO(self.text)


@cache
def _file_key(path: Path, size: int, modified: int) -> str:
    """Cached, so that one process reads a file that has not changed only once."""
    with path.open("rb") as file:
        if file.read(len(MARK)) != MARK:
            file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def documents_in(paths: Iterable[Path], field: str) -> Iterator[Document]:
    """The documents of files, in order; empty ones are left out.

    Args:
        field: key of the text in JSON lines.

    Raises:
        InputError: a line of JSON has no such text; the message names it.
    """
    for path in paths:
        if path.suffix.lower() not in LINES:
            yield Document(path)
            continue
        for place, line in lines_of(path):
            text = _text_of(line, field, place)
            if text:
                yield Document(path, text.encode("utf-8", "replace"))


def _text_of(line: str, field: str, place: str) -> str:
    try:
        return json_strings(line, field)[0]
    except ValueError as error:
        raise InputError(f'{place}: {error}. The knob "field" of the data names the key of the text') from None
