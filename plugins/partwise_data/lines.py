"""Reads files line by line, and the strings of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from partwise import InputError
from partwise.storage import decode_text

from .decompression import open_bytes, packing_of

_decode = json.JSONDecoder().decode


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """Every line that is not empty, without its line break, after its place: `notes.jsonl:7`. Files may be compressed.

    Raises:
        InputError: the file cannot be read or unpacked, or is not UTF-8.
    """
    offset = 0
    try:
        with open_bytes(path) as file:
            for number, raw in enumerate(file, start=1):
                line = decode_text(raw, str(path), offset, None if packing_of(path) else path).rstrip("\r\n")
                offset += len(raw)
                if line:
                    yield f"{path}:{number}", line
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def json_string(line: str, key: str) -> str:
    """The string under a key of the object that a line is; quick where it is as it should be.

    Raises:
        ValueError: it is no such object; says what it is instead.
    """
    try:
        text = _decode(line)[key]
    except (ValueError, RecursionError, TypeError, LookupError):
        text = None
    return text if isinstance(text, str) else json_strings(line, key)[0]


def json_strings(line: str, *keys: str) -> list[str]:
    """The strings under some keys of the object that a line is.

    Raises:
        ValueError: it is no such object; says what it is instead.
    """
    names = " and ".join(f'"{key}"' for key in keys)
    wanted = f"expected an object with the string{'s' if len(keys) > 1 else ''} {names}"
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError(f"{wanted}, found values nested too deep") from None
    except ValueError:  # Python reads no number of more than some thousand digits
        raise ValueError(f"{wanted}, found a number that is too long") from None
    if not isinstance(value, dict):
        raise ValueError(f"{wanted}, found {_shown(value)}")
    missing = [key for key in keys if key not in value]
    if missing:
        raise ValueError(f'{wanted}; "{missing[0]}" is missing among the keys {", ".join(value) or "(none)"}')
    wrong = [key for key in keys if not isinstance(value[key], str)]
    if wrong:
        raise ValueError(f'{wanted}; "{wrong[0]}" is {_shown(value[wrong[0]])}{_mended(value[wrong[0]])}')
    return [value[key] for key in keys]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= 40 else f"{text[:37]}..."
    if value is None or isinstance(value, bool):
        return text
    kind = "object" if isinstance(value, dict) else "list" if isinstance(value, list) else "number"
    return f"the {'string' if isinstance(value, str) else kind} {text}"


def _mended(value: Any) -> str:
    if value is None:
        return ', so there is none; leave the line out, or write "" for an empty one'
    if isinstance(value, bool | int | float):
        return f'; in quotes it is a string: "{json.dumps(value)}"'
    return "; write the text that it stands for"
