"""Puts a catalogue into a directory, and nothing else into danger there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partwise.errors import InputError, PartwiseError
from partwise.storage.atomic import make_directory, read_json, write_json, write_text

MARKER = "catalogue.json"
"""Says that a directory is a catalogue, and which files are its own."""
_OURS = re.compile(r"index\.html|(?:parts|recipes)/[a-z0-9_~=-][a-z0-9_.~=-]*\.html")


def write_pages(directory: Path, pages: Mapping[str, str]) -> None:
    """Writes pages by their names, each whole, the index last, and removes those of an earlier catalogue.

    Raises:
        InputError: the directory holds something else.
        WorkError: a page cannot be written; a directory that was not there before is then not left behind.
    """
    before = check_directory(directory)
    foreign = [name for name in sorted(set(pages) - before) if (directory / name).exists()]
    if foreign:
        raise InputError(f"{directory} holds {_few(foreign)}, which no catalogue put there; name another directory")
    fresh = not directory.exists()
    try:
        for place in sorted({(directory / name).parent for name in pages}):
            make_directory(place)
        # First of all what makes it a catalogue, so that one cut short can be made again.
        _mark(directory, {*before, *pages})
        for name in sorted(pages, key=lambda name: (name == "index.html", name)):
            write_text(directory / name, pages[name])
        for name in before - set(pages):
            (directory / name).unlink(missing_ok=True)
        _mark(directory, set(pages))
    except BaseException:
        if fresh:
            shutil.rmtree(directory, ignore_errors=True)
        raise


def check_directory(directory: Path) -> set[str]:
    """The files of the catalogue that is there; none if there is nothing yet.

    Raises:
        InputError: there is something, and it is no catalogue.
    """
    if not directory.exists():
        return set()
    if not directory.is_dir():
        raise InputError(f"{directory} is a file, and a catalogue needs a directory")
    try:
        names = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        raise InputError(f"cannot read {directory}: {error.strerror or error}") from error
    if not names:
        return set()
    if MARKER not in names:
        raise InputError(
            f"{directory} is not empty and no catalogue: it holds {_few(names)}\n"
            "  name a directory that is new or empty, or one that this command has written before"
        )
    return _listed(directory)


def _listed(directory: Path) -> set[str]:
    try:
        files: Any = read_json(directory / MARKER).get("files")
    except PartwiseError:
        files = None
    if not isinstance(files, list):
        raise InputError(f"{directory / MARKER} was not written by partwise; name another directory")
    # Nothing that a file says makes us touch what is not ours.
    return {name for name in files if isinstance(name, str) and _OURS.fullmatch(name)}


def _mark(directory: Path, names: set[str]) -> None:
    write_json(directory / MARKER, {"about": "A catalogue made by `partwise parts --html`.", "files": sorted(names)})


def _few(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


__all__ = ["MARKER", "check_directory", "write_pages"]
