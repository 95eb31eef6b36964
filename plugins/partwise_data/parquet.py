"""Documents in the rows of Parquet files, read a few rows at a time."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from partwise import InputError
from partwise.wording import size_in_words

from .columns import named_twice, no_such_column
from .decompression import open_bytes, packing_of
from .found import Found, Place, found_text
from .records import LONGEST

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet as pq

AT_ONCE = 1 << 23
"""Bytes of text that are read at once, as far as the average of a row group tells."""
MOST_ROWS = 1 << 6
"""Rows that are read at once at most: a row of a dictionary may be larger than the average says by far."""
BUFFER = 1 << 20


@dataclass(frozen=True)
class Parquet:
    """A document in each row, in a column by its name. A row without a value is an empty document."""

    field: str

    def scan(self, path: Path) -> Iterator[Found]:
        with _opened(path, self.field) as table:
            at = 0
            for group in range(table.num_row_groups):
                for column in _batches(table, group, self.field, path):
                    for value in column:
                        text = value.as_py() or ""
                        if len(text) > LONGEST:
                            raise InputError(_too_long(f"row {at + 1} has a text", len(text), path))
                        yield found_text(text, at, at + 1)
                        at += 1

    def read(self, path: Path, places: Iterable[Place]) -> Iterator[tuple[Place, BinaryIO]]:
        wanted = iter(places)
        place = next(wanted, None)
        with _opened(path, self.field) as table:
            stop = 0
            for group in range(table.num_row_groups):
                at, stop = stop, stop + table.metadata.row_group(group).num_rows
                if place is None or place.start >= stop:
                    continue
                for column in _batches(table, group, self.field, path):
                    while place is not None and place.start < at + len(column):
                        text = column[place.start - at].as_py() or ""
                        yield place, io.BytesIO(text.encode("utf-8", "replace"))
                        place = next(wanted, None)
                    at += len(column)
                    if place is None or place.start >= stop:
                        break


def _batches(table: pq.ParquetFile, group: int, field: str, path: Path) -> Iterator[Any]:
    """The column of a row group, a few rows at a time."""
    rows, size = _size_of(table, group, field)
    if size > LONGEST * rows:
        raise InputError(_too_long(f"row group {group} has texts", size / rows, path))
    few = max(1, AT_ONCE * rows // max(1, size))
    with _readable(path):
        for batch in table.iter_batches(min(few, MOST_ROWS), [group], [field], use_threads=False):
            yield batch.column(0)


def _too_long(what: str, size: float, path: Path) -> str:
    return (
        f"{path}: {what} of {size_in_words(size)}, and a row is read whole; the most is {size_in_words(LONGEST)}. "
        "Write documents of that size to text files of their own (.txt), which are read in portions"
    )


def _size_of(table: pq.ParquetFile, group: int, field: str) -> tuple[int, int]:
    """Rows of a row group, and bytes of a column in it."""
    facts = table.metadata.row_group(group)
    index = next(i for i in range(facts.num_columns) if facts.column(i).path_in_schema == field)
    return max(1, facts.num_rows), facts.column(index).total_uncompressed_size


@contextmanager
def _opened(path: Path, field: str) -> Iterator[pq.ParquetFile]:
    """A file whose column `field` is text.

    Raises:
        InputError: it is no such file.
    """
    from pyarrow import parquet as pq

    with _seekable(path) as file, _readable(path):
        table = pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True)
        with table:
            _check_column(path, field, table.schema_arrow)
            yield table


@contextmanager
def _seekable(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file in any order: a compressed one is unpacked into a temporary file first."""
    if packing_of(path) is None:
        with path.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as unpacked:
        with open_bytes(path) as file:
            shutil.copyfileobj(file, unpacked, BUFFER)
        unpacked.seek(0)
        yield unpacked


def _check_column(path: Path, field: str, schema: pa.Schema) -> None:
    import pyarrow as pa

    if field not in schema.names:
        raise InputError(no_such_column(path, field, schema.names, "its columns are"))
    if schema.names.count(field) > 1:
        raise InputError(named_twice(path, field, "its columns are named"))
    kind: Any = schema.field(field).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        texts = [name for name in schema.names if pa.types.is_string(schema.field(name).type)]
        others = f"; columns of text: {', '.join(map(repr, texts))}" if texts else ""
        raise InputError(f'{path}: column {field!r} holds {kind}, not text{others}. The knob "field" names the column')


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what pyarrow says of a file that it cannot read into an error with its name."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(f"{path} cannot be read as Parquet: {said}. Get it again, or write it again") from None
