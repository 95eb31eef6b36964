"""Documents in the records of a file: the lines of JSON lines, and the rows of comma- or tab-separated values."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from partwise import InputError
from partwise.storage import decode_text
from partwise.wording import many, size_in_words

from .columns import named_twice, no_such_column
from .decompression import open_bytes, packing_of
from .found import Found, Place, found_text
from .lines import json_string

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST = 1 << 26
"""Most bytes of one record, which is held in memory several times over."""


@dataclass(frozen=True)
class JsonLines:
    """A document on each line, under a key. Empty lines are skipped."""

    field: str

    def scan(self, path: Path) -> Iterator[Found]:
        with open_bytes(path) as file:
            for number, (start, raw) in enumerate(_lines(file, path), start=1):
                line = _decoded(raw, path, start).strip()
                if line:
                    try:
                        text = json_string(line, self.field)
                    except ValueError as error:
                        raise InputError(
                            f'{path}:{number}: {error}. The knob "field" of the data names the key of the text'
                        ) from None
                    yield found_text(text, start, start + len(raw))

    def read(self, path: Path, places: Iterable[Place]) -> Iterator[tuple[Place, BinaryIO]]:
        with open_bytes(path) as file:
            for place in places:
                file.seek(place.start)
                line = file.read(place.stop - place.start).removeprefix(BYTE_ORDER_MARK).decode()
                yield place, io.BytesIO(json_string(line, self.field).encode("utf-8", "replace"))


@dataclass(frozen=True)
class SeparatedValues:
    """A document in each row, in a column that the first row names. Fields may stand in double quotes (RFC 4180)."""

    field: str
    delimiter: str

    def scan(self, path: Path) -> Iterator[Found]:
        with open_bytes(path) as file:
            source = _Counted(file, path)
            rows = self._rows(source)
            header = next(rows, [])
            column, start = self._column(header, path), source.at
            for row in rows:
                if row:
                    if len(row) <= column or any(row[len(header) :]):
                        raise InputError(f"{path}:{source.number}: {self._misfit(row, header, column)}")
                    yield found_text(row[column], start, source.at)
                start = source.at

    def read(self, path: Path, places: Iterable[Place]) -> Iterator[tuple[Place, BinaryIO]]:
        with open_bytes(path) as file:
            column = self._column(next(self._rows(_Counted(file, path)), []), path)
            for place in places:
                file.seek(place.start)
                raw = file.read(place.stop - place.start).decode()
                row = next(row for row in self._reader(io.StringIO(raw, newline="")) if row)
                yield place, io.BytesIO(row[column].encode("utf-8", "replace"))

    def _misfit(self, row: Sequence[str], header: Sequence[str], column: int) -> str:
        """What is wrong with a row that lacks the text, or has more fields than there are columns: a text that is cut
        at a separator would be learned as if it were whole."""
        has = f"this row has {many(len(row), 'field')}"
        if len(row) <= column:
            return f"{has}, and {self.field!r} is number {column + 1}; mend the row, or leave it out"
        return (
            f"{has}, and the first row names {many(len(header), 'column')}; a text with {self.delimiter!r} in it "
            "stands in quotes"
        )

    def _rows(self, source: _Counted) -> Iterator[list[str]]:
        reader, row = self._reader(source), 1
        while True:
            row = source.number + 1
            try:
                yield next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise InputError(
                    f"{source.path}:{row}: {_explained(str(error))}: fields that hold quotes, line breaks or "
                    f"{self.delimiter!r} stand in quotes, with each quote in them doubled"
                ) from None

    def _reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        if csv.field_size_limit() < LONGEST:
            csv.field_size_limit(LONGEST)
        return csv.reader(lines, delimiter=self.delimiter, strict=True)

    def _column(self, header: list[str], path: Path) -> int:
        if self.field not in header:
            raise InputError(no_such_column(path, self.field, header, "its first row names"))
        if header.count(self.field) > 1:
            raise InputError(named_twice(path, self.field, "its first row names"))
        return header.index(self.field)


class _Counted:
    """The lines of a file, with their breaks, and how far they have been read."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self.at = 0
        """Bytes read."""
        self.number = 0
        """Lines read."""
        self._lines = _lines(file, path)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        start, raw = next(self._lines)
        self.at, self.number = start + len(raw), self.number + 1
        return _decoded(raw, self.path, start)


def _lines(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """Where each line begins, and the line with its break."""
    at = number = 0
    while raw := file.readline(LONGEST + 1):
        number += 1
        if len(raw) > LONGEST:
            raise InputError(
                f"{path}:{number}: this line is longer than {size_in_words(LONGEST)}, and a line is read whole. "
                "Write a document of that size to a text file of its own (.txt), which is read in portions"
            )
        yield at, raw
        at += len(raw)


def _decoded(raw: bytes, path: Path, start: int) -> str:
    """The text of a line; the first may begin with a byte-order mark."""
    if start:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            pass
    return decode_text(raw, str(path), start, None if packing_of(path) else path)


def _explained(error: str) -> str:
    if "field larger" in error:
        return f"a field that begins here is longer than {size_in_words(LONGEST)}; so a quote may be left open"
    if "unexpected end of data" in error:
        return "a quote that is opened in this row is never closed"
    if "expected after" in error:
        return "a quote is followed by more text in the same field"
    return error
