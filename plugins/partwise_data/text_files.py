"""Running text from files of any size: read in portions, split by position in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from partwise import InputError
from partwise.data import Example, Piece, Split

from .files import content_hash, decode
from .splits import Shares, digest

PORTION = 1 << 20
"""Bytes read at a time."""
LONG_LINE = 1 << 16
"""Bytes that are searched for the end of a line when a file is split."""


class TextFiles:
    """A stream with one text per file, whose end is held out: first comes the part to train on, then the part to
    validate on, then the part to test on. Files are cut between lines or, where no line ends within `LONG_LINE`
    bytes, between characters."""

    form: Literal["stream", "examples"] = "stream"

    def __init__(self, files: Sequence[Path], shares: Shares, portion: int = PORTION) -> None:
        self.files = tuple(files)
        self.shares = shares
        self.portion = portion

    def examples(self, split: Split) -> Iterator[Example]:
        for path in self.files:
            try:
                with path.open("rb") as file:
                    yield from self._section(file, path, split)
            except OSError as error:
                raise InputError(f"cannot read {path}: {error.strerror}") from error

    def identity(self) -> str:
        contents = [content_hash(path) for path in self.files]
        return digest("text", 1, self.shares.valid, self.shares.test, self.portion, contents)

    def _section(self, file: BinaryIO, path: Path, split: Split) -> Iterator[Example]:
        start, stop = self._place(file, path.stat().st_size, split)
        file.seek(start)
        while start < stop:
            raw = file.read(min(self.portion, stop - start))
            if not raw:
                raise InputError(f"{path} became shorter while it was read; start again once it has settled")
            if start + len(raw) < stop:
                raw = raw[: _last_break(raw)]
                file.seek(start + len(raw))
            text = decode(raw, path, start)
            start += len(raw)
            yield Example((Piece(text),), ends=start >= stop)

    def _place(self, file: BinaryIO, size: int, split: Split) -> tuple[int, int]:
        held_out = self.shares.valid + self.shares.test
        valid = _break_after(file, round(size * (1 - held_out)), size)
        test = _break_after(file, round(size * (1 - self.shares.test)), size)
        return {"train": (0, valid), "valid": (valid, test), "test": (test, size)}[split]


def _break_after(file: BinaryIO, offset: int, size: int) -> int:
    """Where the next line begins, at `offset` or later; if no line ends soon, where the next character begins."""
    if offset <= 0 or offset >= size:
        return min(max(offset, 0), size)
    file.seek(offset - 1)
    ahead = file.read(LONG_LINE)
    newline = ahead.find(b"\n")
    if newline >= 0:
        return offset + newline
    while offset < size and _continues(ahead[1:2]):
        offset, ahead = offset + 1, ahead[1:]
    return offset


def _last_break(raw: bytes) -> int:
    """Number of bytes before the last line or, if there is only one line, before its last character."""
    newline = raw.rfind(b"\n")
    if newline >= 0:
        return newline + 1
    last = len(raw) - 1
    while last > len(raw) - 4 and _continues(raw[last : last + 1]):
        last -= 1
    return last if last > 0 else len(raw)


def _continues(byte: bytes) -> bool:
    """Whether a byte continues a character of UTF-8."""
    return b"\x80" <= byte < b"\xc0"
