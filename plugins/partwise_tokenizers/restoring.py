"""Reads the fields of a saved tokenizer, as `to_json` wrote them; errors say what is wrong with one."""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeVar

from partwise import InputError

ValueT = TypeVar("ValueT")


def damaged(problem: str) -> InputError:
    """The error for a saved tokenizer that cannot be restored."""
    return InputError(f"the saved tokenizer is damaged: {problem}; restore the file from a copy, or train again")


def field(saved: dict[str, Any], name: str, kind: type[ValueT]) -> ValueT:
    """The value under `name`, which must be there and of type `kind`."""
    if not isinstance(saved, dict):
        raise damaged(f"expected an object, found {type(saved).__name__}")
    if name not in saved:
        raise damaged(f"{name!r} is missing")
    value = saved[name]
    if type(value) is not kind:
        raise damaged(f"{name!r} should be of type {kind.__name__}, found {type(value).__name__}")
    return value


def texts(saved: dict[str, Any], name: str) -> list[str]:
    """The list of distinct, non-empty texts under `name`."""
    values = field(saved, name, list)
    for index, value in enumerate(values):
        if not isinstance(value, str) or not value:
            raise damaged(f"{name}[{index}] should be a text that is not empty, found {value!r}")
    if len(set(values)) < len(values):
        raise damaged(f"{name!r} holds a text twice")
    return values


def binary(value: object, where: str) -> bytes:
    """The bytes that a base64 text stands for."""
    if not isinstance(value, str):
        raise damaged(f"{where} should be base64 text, found {type(value).__name__}")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise damaged(f"{where} is not base64 ({error})") from error
