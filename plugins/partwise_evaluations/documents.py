"""Reads whole documents from files, by whatever the data `text` reads them with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from partwise import InputError, PartError
from partwise.data import Data
from partwise.parts import DataPart, DataSite, resolve_part


def read_documents(names: Sequence[str], directory: Path, field: str, separator: str | None = None) -> list[str]:
    """The documents in files, as training on the same files has them: text, JSON lines, Parquet or CSV, each also
    compressed. They are in the order given, those of a pattern sorted, each file once; empty ones are left out.

    Raises:
        PartError: there is no such file, it cannot be read, a library that reads it is missing, or it has no document.
    """
    settings = {"files": list(names), "field": field, "separator": separator, "valid": 0, "test": 0}
    try:
        part = resolve_part(DataPart, {"use": "text", **settings})
        assert isinstance(part, DataPart), "that is what was asked for"
        return list(_whole(part.assemble(DataSite(directory))))
    except InputError as error:
        raise PartError(getattr(error, "message", str(error)), ("files",)) from error


def _whole(data: Data) -> Iterator[str]:
    """Its documents, of which a long one comes in several examples."""
    portions: list[str] = []
    for example in data.examples("train"):
        portions += [piece.text for piece in example.pieces]
        if example.ends:
            yield "".join(portions)
            portions = []


__all__ = ["read_documents"]
