"""Documents in text files: a file is one, or they stand in it one after the other with a separator between them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from partwise import InputError
from partwise.storage import decode_text

from .decompression import open_bytes, packing_of
from .found import Found, Place

PORTION = 1 << 20
"""Bytes read at a time."""
LOOKED_AT = 1 << 16
"""Bytes of a piece in ASCII that are looked at for signs that it is no text."""
MARK = b"\xef\xbb\xbf"
BREAKS = b"\r\n"


@dataclass(frozen=True)
class PlainText:
    """Text in UTF-8, of which no document is held in memory."""

    separator: str | None = None
    """What stands between documents, without the line breaks around it; None: a file is a document."""

    def scan(self, path: Path) -> Iterator[Found]:
        with open_bytes(path) as file:
            begin = at = _after_mark(file)
            document = _Document(path, at, self.separator is not None)
            for piece, ended in _pieces(file, (self.separator or "").encode()):
                document.add(piece)
                at += len(piece)
                if ended is not None:
                    found = document.found()
                    if found.size or ended or at == begin:  # else nothing follows the last separator
                        yield found
                    at += ended
                    document = _Document(path, at, self.separator is not None)

    def read(self, path: Path, places: Iterable[Place]) -> Iterator[tuple[Place, BinaryIO]]:
        with open_bytes(path) as file:
            for place in places:
                yield place, cast(BinaryIO, Stretch(file, place.start, place.size)) if place.start else file


class Stretch(io.RawIOBase):
    """Some bytes in the middle of a file, as if they were one."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size = file, start, size
        self.seek(0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(self._start + offset)
        self._at = offset
        return offset

    def read(self, count: int = -1) -> bytes:
        left = self._size - self._at
        raw = self._file.read(left if count < 0 else min(count, left))
        self._at += len(raw)
        return raw


class _Document:
    """A document that is read piece by piece: where it is, and its hash. Each piece is tried as text."""

    def __init__(self, path: Path, start: int, trimmed: bool) -> None:
        self._path, self._start, self._trimmed = path, start, trimmed
        self._hash, self._size = hashlib.sha256(), 0
        self._held = b""
        """The end of what came: line breaks that may be the last, or the beginning of a character."""

    def add(self, piece: bytes) -> None:
        if self._trimmed and not self._size and not self._held:
            whole = len(piece)
            piece = piece.lstrip(BREAKS)
            self._start += whole - len(piece)
        piece = self._held + piece if self._held else piece
        body = piece.rstrip(BREAKS) if self._trimmed else piece
        body = body[: whole_characters(body)]
        self._held = piece[len(body) :]
        self._check(body)
        self._hash.update(body)
        self._size += len(body)

    def found(self) -> Found:
        """The document; it is complete."""
        rest = self._held.rstrip(BREAKS) if self._trimmed else self._held
        self._check(rest)  # an unfinished character
        return Found(self._start, self._start + self._size, self._size, self._hash.digest())

    def _check(self, raw: bytes) -> None:
        if raw:
            name, offset = str(self._path), self._start + self._size
            # Plain ASCII cannot be wrong; what is no text at all shows soon.
            quick = len(raw) > LOOKED_AT and raw.isascii() and b"\0" not in raw
            try:
                decode_text(raw[:LOOKED_AT] if quick else raw, name, offset)
            except InputError:  # which of a file that can be read again tells more
                decode_text(raw, name, offset, None if packing_of(self._path) else self._path)
                raise


def _pieces(file: BinaryIO, separator: bytes) -> Iterator[tuple[bytes, int | None]]:
    """The bytes of documents in pieces, and, where a document ends, the length of the separator that follows; none
    follows the last."""
    rest = b""
    while block := file.read(PORTION):
        if not separator:
            yield block, None
            continue
        *documents, rest = (rest + block).split(separator)
        for document in documents:
            yield document, len(separator)
        sure = len(rest) - len(separator) + 1  # what follows may be the beginning of a separator
        if sure > PORTION:
            yield rest[:sure], None
            rest = rest[sure:]
    yield rest, 0


def _after_mark(file: BinaryIO) -> int:
    """Skips a byte-order mark; returns where the text begins."""
    if file.read(len(MARK)) == MARK:
        return len(MARK)
    file.seek(0)
    return 0


def whole_characters(raw: bytes) -> int:
    """Number of bytes before a character whose bytes are not all there."""
    for back in range(1, min(4, len(raw)) + 1):
        byte = raw[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(raw) - back if back < length else len(raw)
        if byte < 0x80:
            break
    return len(raw)
