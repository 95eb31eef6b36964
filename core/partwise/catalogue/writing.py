"""Writes a catalogue into a directory, where it touches no file but its own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partwise.errors import InputError, PartwiseError
from partwise.storage.atomic import json_text, make_directory, read_json
from partwise.storage.outputs import write_output
from partwise.wording import some_of

MARKER = "catalogue.json"
"""The file that marks a directory as a catalogue, and lists the files that belong to it."""
_OURS = re.compile(r"index\.html|(?:parts|recipes)/[a-z0-9_~=-][a-z0-9_.~=-]*\.html")


def write_pages(directory: Path, pages: Mapping[str, str]) -> None:
    """Writes pages by their names, the index last, and removes those of an earlier catalogue that are gone.

    Raises:
        InputError: the directory holds something else.
        WorkError: a page cannot be written; a directory that was not there before is then not left behind.
    """
    before = check_directory(directory)
    foreign = [name for name in sorted(set(pages) - before) if (directory / name).exists()]
    if foreign:
        raise InputError(f"{directory} holds {some_of(foreign)}, which is not a catalogue's; name another directory")
    fresh = not directory.exists()
    try:
        for place in sorted({(directory / name).parent for name in pages}):
            make_directory(place)
        # The marker comes first, so that a catalogue that was interrupted can be made again.
        _mark(directory, {*before, *pages})
        for name in sorted(pages, key=lambda name: (name == "index.html", name)):
            write_output(directory / name, pages[name])
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
        raise InputError(f"{directory} is a file, but a catalogue needs a directory")
    try:
        names = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        raise InputError(f"cannot read {directory}: {error.strerror or error}") from error
    if not names:
        return set()
    if MARKER not in names:
        raise InputError(
            f"{directory} is not empty and not a catalogue: it holds {some_of(names)}\n"
            "  name a directory that is new or empty, or one that this command wrote"
        )
    return _listed(directory)


def _listed(directory: Path) -> set[str]:
    try:
        files: Any = read_json(directory / MARKER).get("files")
    except PartwiseError:
        files = None
    if not isinstance(files, list):
        raise InputError(f"{directory / MARKER} was not written by partwise; name another directory")
    # Whatever the file lists, only names that a catalogue could have written are touched.
    return {name for name in files if isinstance(name, str) and _OURS.fullmatch(name)}


def _mark(directory: Path, names: set[str]) -> None:
    about = {"about": "A catalogue made by `partwise parts --html`.", "files": sorted(names)}
    write_output(directory / MARKER, json_text(about))


__all__ = ["MARKER", "check_directory", "write_pages"]
