"""Files that are either whole or not there: written next to their place, flushed to the disk, then renamed."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import InputError, WorkError


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Has `write` fill a temporary file in the same directory, which then takes the place of `path` at once.

    Raises:
        WorkError: it could not be written (a full disk, no permission); what stood at `path` is untouched.
    """
    # A name of its own for each writer: of several at once, the last to finish stands, whole.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        write(temporary)
        flush_to_disk(temporary)
        temporary.replace(path)
        flush_to_disk(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Writes `value` as JSON, whole or not at all."""
    # Escapes keep the file valid whatever a tokenizer's vocabulary holds, lone surrogates included.
    text = json.dumps(value, indent=indent) + "\n"
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Writes a text as UTF-8, whole or not at all."""

    def write(place: Path) -> None:
        place.write_text(text, encoding="utf-8", newline="\n")

    write_whole(path, write)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        InputError: the file is not there or cannot be read.
        WorkError: it holds no JSON object: cut short, or not ours.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise WorkError(f"{path} is damaged or was not written by partwise: {error}") from error
    if not isinstance(value, dict):
        raise WorkError(f"{path} was not written by partwise: it holds no JSON object")
    return value


def flush_to_disk(path: Path) -> None:
    """Waits until a file's content, or a directory's list of names, is on the disk itself."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a directory, and needs no such call
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(path: Path, error: OSError) -> WorkError:
    """What to tell the user when `path` cannot be written."""
    reason = error.strerror or str(error)
    return WorkError(f"cannot write {path}: {reason}; nothing that stood there before was touched")
