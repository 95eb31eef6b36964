"""Recipe files: finds the one that a name means, and reads it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from partwise.errors import InputError
from partwise.storage.pipes import content_of, in_pieces
from partwise.storage.text import decode_text

from . import shipped
from .reader.parser import parse
from .reader.problems import Problem, RejectedError, cut
from .reader.source import Mark, Node, Source
from .suggestions import did_you_mean, nearest, short_list

STANDARD_INPUT = "-"
"""In place of a file: the recipe is in standard input."""
LARGEST_FILE = 2 * 1024 * 1024
"""Most bytes of a recipe file; a real one has a few thousand."""


def find(given: str | Path, directory: Path = Path(), mark: Mark | None = None) -> Path:
    """The file of a recipe, given by a path relative to `directory` or by the name of a shipped recipe.

    The name of a shipped recipe always means that recipe; "./gpt" or "gpt.json" always means a file.

    Raises:
        RecipeError: there is no such file; with the nearest name. `mark` is where it was named.
    """
    named = shipped.path_of(given) if isinstance(given, str) else None
    if named is not None:
        return named
    text = str(given)
    path = Path(os.path.normpath(directory / given)) if text and "\0" not in text else None
    if path is not None and os.path.exists(path):
        return path
    known, note = _others(text, path)
    what = (
        "no such file" if text.endswith(".json") or isinstance(given, Path) else "no recipe of this name, and no file"
    )
    raise RejectedError(
        [Problem(f"{cut(text) or 'an empty name'}: {what}{did_you_mean(text, known)}", mark, notes=note)]
    )


def _others(text: str, path: Path | None) -> tuple[list[str], tuple[str, ...]]:
    """What else may be meant: the files beside it, and the shipped recipes."""
    names = [name for name in shipped.names() if not shipped.is_study(name)]
    beside: list[str] = []
    try:
        if path is not None and text.endswith(".json"):
            given_in = text[: len(text) - len(Path(text).name)]
            beside = [given_in + name for name in sorted(os.listdir(path.parent)) if name.endswith(".json")]
    except OSError:
        pass
    listed = short_list(nearest(text, names))
    return beside + names, (f"recipes: {listed}",) if names else ()


def read(path: Path, mark: Mark | None = None) -> Node:
    """The JSON value in a file.

    Raises:
        RecipeError: it cannot be read, is too large, is not UTF-8 or not JSON. `mark` is where it was named.
    """
    name = displayed(path)
    try:
        content = content_of(path, LARGEST_FILE)
    except OSError as error:
        raise RejectedError([Problem(f"{name}: {_reason(error)}", mark)]) from None
    if len(content) > LARGEST_FILE:
        limit = f"a recipe has at most {LARGEST_FILE // 1024**2} MiB"
        raise RejectedError([Problem(f"{name}: too large for a recipe: {_size(path)}; {limit}", mark)])
    return parse(Source(name, _decoded(content, name, path, mark), path.absolute()))


def read_standard_input() -> Node:
    """The JSON value in standard input.

    Raises:
        RecipeError: there is none; it is too large, is not UTF-8 or not JSON.
    """
    name = "standard input"
    stream = sys.stdin
    if stream is None:
        raise RejectedError([Problem(f"{name}: it is closed; name a file in place of {STANDARD_INPUT!r}")])
    if stream not in _once:
        try:
            _once[stream] = in_pieces(stream.buffer, LARGEST_FILE)
        except OSError as error:
            raise RejectedError([Problem(f"{name}: {_reason(error)}")]) from None
    content = _once[stream]
    if len(content) > LARGEST_FILE:
        raise RejectedError(
            [Problem(f"{name}: too large for a recipe, which has at most {LARGEST_FILE // 1024**2} MiB")]
        )
    if not content.strip():
        raise RejectedError([Problem(f"{name}: it is empty; {STANDARD_INPUT!r} reads a recipe or a study from it")])
    return parse(Source(name, _decoded(content, name, None), directory=Path.cwd()))


_once: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()
"""What was read of standard input: it can be read only once, and one command may name it twice."""


def _size(path: Path) -> str:
    size = os.path.getsize(path)
    return f"it has {size / 1024**2:,.1f} MiB" if size > LARGEST_FILE else "it does not end"


def _decoded(content: bytes, name: str, path: Path | None, mark: Mark | None = None) -> str:
    try:
        return decode_text(content, name, path=path)
    except InputError as error:
        raise RejectedError([Problem(str(error), mark)]) from None


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "this is a directory, not a recipe"
    return (error.strerror or str(error)).lower()


def displayed(path: Path) -> str:
    """A path for people: relative if it is below the current directory."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
