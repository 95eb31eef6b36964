"""Which format a file has, by its suffix: the last but .gz or .zst."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .decompression import check_library, inner_suffix, packing_of
from .found import Format
from .parquet import Parquet
from .plain_text import PlainText
from .records import JsonLines, SeparatedValues


def format_of(path: Path, field: str, separator: str | None) -> Format:
    """The format of a file: any other suffix than those of records is that of a text.

    Args:
        field: key or column of the text in records.
        separator: what stands between documents in text files; None: a file is a document.
    """
    match inner_suffix(path):
        case ".jsonl" | ".ndjson":
            return JsonLines(field)
        case ".csv":
            return SeparatedValues(field, ",")
        case ".tsv" | ".tab":
            return SeparatedValues(field, "\t")
        case ".parquet":
            return Parquet(field)
        case _:
            return PlainText(separator)


def check_libraries(files: Iterable[Path]) -> None:
    """
    Raises:
        PartError: a library that one of the files needs is not installed.
    """
    for path in files:
        if inner_suffix(path) == ".parquet":
            check_library(path, "pyarrow")
        if packing_of(path) == "zstd":
            check_library(path, "zstandard")
