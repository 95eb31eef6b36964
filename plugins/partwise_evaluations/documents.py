"""Reads whole documents from files."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from partwise import InputError, PartError
from partwise.storage import decode_text

from .items import existing, items_in, text_of

LINES = (".jsonl", ".ndjson")


def read_documents(names: Sequence[str], directory: Path, field: str) -> list[str]:
    """The documents in files: in the order given, those of a pattern sorted, each file once.

    Raises:
        PartError: there is no such file, or it is no text.
    """
    paths = dict.fromkeys(path for name in names for path in _matching(name, directory))
    return [document for path in paths for document in _documents(path, field)]


def _matching(name: str, directory: Path) -> list[Path]:
    if (directory / name).exists() or not glob.has_magic(name):
        return [existing(name, directory, "files")]
    found = [directory / one for one in sorted(glob.glob(name, root_dir=directory, recursive=True))]
    if not any(path.is_file() for path in found):
        raise PartError(
            f"no file matches {name!r} in {directory.resolve()}; patterns are relative to the recipe's directory",
            ("files",),
        )
    return [path for path in found if path.is_file()]


def _documents(path: Path, field: str) -> list[str]:
    if path.suffix.lower() in LINES:
        return items_in(path, lambda line: text_of(line, field, "field"), "files")
    try:
        return [decode_text(path.read_bytes(), str(path), 0, path)]
    except InputError as error:
        raise PartError(str(error), ("files",)) from error
    except OSError as error:
        raise PartError(f"cannot read {path}: {error.strerror}", ("files",)) from error


__all__ = ["read_documents"]
