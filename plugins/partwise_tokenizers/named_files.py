"""Reads the files that a recipe names."""

from __future__ import annotations

from pathlib import Path

from partwise import PartError


def read_named(path: Path, knob: str, wanted: str) -> bytes:
    """The content of the file that `knob` names; `wanted` says what it should be, for example "a .model file".

    Raises:
        PartError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise PartError(
            f"{knob}: cannot read {path} ({error.strerror}); "
            f"give the path of {wanted}, absolute or relative to the recipe's directory"
        ) from error
