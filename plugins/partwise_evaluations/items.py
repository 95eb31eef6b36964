"""Reads files of JSON lines; every error names the line, and what is to be done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from partwise import InputError, PartError
from partwise.storage import decode_text

Item = TypeVar("Item")
Line = Mapping[str, Any]


def existing(name: str, directory: Path, knob: str) -> Path:
    """The file of a name that a recipe gives.

    Raises:
        PartError: there is none, or it is empty.
    """
    path = directory / name
    if path.is_dir():
        raise PartError(f"{path} is a directory, and a file is needed", (knob,))
    if not path.exists():
        raise PartError(f"there is no file {path}{_guess(path)}", (knob,))
    try:
        if path.stat().st_size == 0:
            raise PartError(f"{path} is empty; an evaluation needs an item", (knob,))
    except OSError as error:
        raise PartError(f"cannot read {path}: {error.strerror}", (knob,)) from error
    return path


def existing_directory(name: str, directory: Path, knob: str) -> Path:
    """The directory of a name that a recipe gives.

    Raises:
        PartError: there is none.
    """
    path = directory / name
    if not path.is_dir():
        what = f"{path} is a file, and a directory is needed" if path.exists() else f"there is no directory {path}"
        raise PartError(f"{what}{'' if path.exists() else _guess(path)}", (knob,))
    return path


def _guess(path: Path) -> str:
    names = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, n=1)
    return f" (names are relative to the recipe's directory){f'; did you mean {close[0]!r}?' if close else ''}"


def items_in(path: Path, parse: Callable[[Line], Item], knob: str = "file") -> list[Item]:
    """Every line of a file that is not empty, as an item.

    Args:
        parse: makes an item of the object in a line; a ValueError says what is wrong with it.

    Raises:
        PartError: a line holds no object, or is no such item; names the line.
    """
    return parsed_lines(path, lambda line: parse(_object(line)), knob)


def parsed_lines(path: Path, parse: Callable[[str], Item], knob: str = "file") -> list[Item]:
    """What `parse` makes of every line of a file that is not empty.

    Args:
        parse: is given a line without the white space around it; a ValueError says what is wrong with it.

    Raises:
        PartError: a line is not as it must be, and is named; or there is none.
    """
    found = []
    for number, line in _lines(path, knob):
        try:
            found.append(parse(line))
        except ValueError as error:
            raise PartError(f"{path}:{number}: {error}", (knob,)) from None
    if not found:
        raise PartError(f"{path} holds nothing but empty lines; an evaluation needs an item", (knob,))
    return found


def _lines(path: Path, knob: str) -> Iterator[tuple[int, str]]:
    offset = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = decode_text(raw, str(path), offset, path).strip()
                offset += len(raw)
                if line:
                    yield number, line
    except OSError as error:
        raise PartError(f"cannot read {path}: {error.strerror}", (knob,)) from error
    except InputError as error:
        raise PartError(str(error), (knob,)) from error


def _object(line: str) -> Line:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is no JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("values are nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {shown(value)}")
    return value


def value_of(line: Line, key: str, knob: str) -> Any:
    """What a line has under a key that the knob `knob` names.

    Raises:
        ValueError: it has no such key.
    """
    if key not in line:
        keys = ", ".join(map(repr, line)) or "none"
        raise ValueError(f"{key!r} is missing; the keys here are {keys}, and {knob!r} names another one")
    return line[key]


def text_of(line: Line, key: str, knob: str, empty: bool = False) -> str:
    """The string under a key.

    Raises:
        ValueError: it is missing, no string, or empty, unless it may be.
    """
    value = value_of(line, key, knob)
    if not isinstance(value, str):
        raise ValueError(f"{key!r} should be a string, and is {shown(value)}")
    if not value and not empty:
        raise ValueError(f"{key!r} is empty; leave the line out")
    return value


def shown(value: Any) -> str:
    """A value as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."


__all__ = ["existing", "existing_directory", "items_in", "parsed_lines", "shown", "text_of", "value_of"]
