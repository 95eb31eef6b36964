"""Files that are either complete or absent: written beside their place, flushed to disk, then renamed."""

from __future__ import annotations

import json
import os
import stat
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from partwise.errors import InputError, WorkError

LARGEST_JSON = 64 * 1024**2
"""Bytes that a JSON file may have; a tokenizer of a quarter of a million tokens has some 30 million."""


def write_whole(path: Path, write: Callable[[Path], None], first: Callable[[Path], None] | None = None) -> None:
    """Has `write` fill a temporary file in the same directory, which then takes the place of `path` at once.

    Args:
        first: called with the temporary file, complete and on disk, before it is renamed.

    Raises:
        WorkError: it could not be written (a full disk, no permission); whatever was at `path` is untouched.
    """
    # Each writer has a name of its own: of several at once, the last to finish wins with a complete file.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        write(temporary)
        flush_to_disk(temporary)
        if first is not None:
            first(temporary)
        temporary.replace(path)
        flush_to_disk(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Writes `value` as JSON, completely or not at all."""
    write_text(path, json_text(value, indent))


def json_text(value: Any, indent: int | None = 2) -> str:
    """What `write_json` writes."""
    # Escapes keep the file valid whatever a tokenizer's vocabulary holds, lone surrogates included.
    return json.dumps(value, indent=indent) + "\n"


def write_text(path: Path, text: str) -> None:
    """Writes a text as UTF-8, completely or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes bytes, completely or not at all."""

    def write(place: Path) -> None:
        place.write_bytes(content)

    write_whole(path, write)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of at most `LARGEST_JSON` bytes.

    Raises:
        InputError: the file is not there or cannot be read.
        WorkError: it holds no JSON object, because it is cut short, too large, or not ours.
    """
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST_JSON + 1)
        if len(content) > LARGEST_JSON:
            raise ValueError(f"it has more than {LARGEST_JSON // 1024**2} MiB")
        value = json.loads(content.decode("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise WorkError(f"{path} is damaged or was not written by partwise: {error}") from error
    if not isinstance(value, dict):
        raise WorkError(f"{path} was not written by partwise: it holds no JSON object")
    return value


def open_regular(path: Path) -> Any:
    """A file opened for reading as bytes; a pipe or a device, which might never end, is an OSError."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise OSError(0, "it is a directory" if stat.S_ISDIR(mode) else "it is not a regular file", str(path))
    return open(handle, "rb")


def flush_to_disk(path: Path) -> None:
    """Waits until a file's content, or a directory's list of names, is on the disk itself."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a directory, and needs no such call
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(directory: Path) -> None:
    """Makes a directory and its parents so that they survive a power cut.

    Raises:
        InputError: it is a file.
        WorkError: it cannot be made.
    """
    try:
        missing = [place for place in (directory, *directory.parents) if not place.exists()]
        directory.mkdir(parents=True, exist_ok=True)
        for place in missing:
            flush_to_disk(place.parent)
    except FileExistsError:
        raise InputError(f"{directory} is a file; a run needs a directory") from None
    except OSError as error:
        raise WorkError(f"cannot make the directory {directory}: {error.strerror}") from error


def made(directory: Path) -> Path:
    """The directory, made if need be; for contents that can be made again should a power cut lose it.

    Raises:
        WorkError: it cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(directory, error) from error
    return directory


def unwritable(path: Path, error: OSError) -> WorkError:
    """What to tell the user when `path` cannot be written."""
    reason = error.strerror or str(error)
    return WorkError(f"cannot write {path}: {reason}; whatever was there before is untouched")
