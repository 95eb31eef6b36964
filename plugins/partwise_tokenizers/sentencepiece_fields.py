"""What a SentencePiece `.model` file says and its library does not: what pieces are for, how texts are normalised.

The file is a message of Google's protocol buffers; numbers of fields are those of `sentencepiece_model.proto`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

_VARINT, _SIZED = 0, 2
_SIZES = {1: 8, 5: 4}
"""Bytes of numbers that are not written in seven bits a byte, by the form of their field."""


class Kind(IntEnum):
    """What a piece stands for."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class Piece:
    """One entry of the vocabulary; its id is its place."""

    text: str
    score: float
    kind: Kind


@dataclass(frozen=True)
class Fields:
    """What a file says."""

    pieces: tuple[Piece, ...]
    by_pairs: bool
    """Whether pieces are merged by pairs; a unigram model otherwise."""
    byte_fallback: bool
    character_map: bytes
    """How characters are normalised, as SentencePiece compiled it; empty if they stay as they are."""
    begins_with_space: bool
    folds_spaces: bool


def read_fields(model: bytes) -> Fields:
    """The fields of a file.

    Raises:
        ValueError: it is of another form, or a model of words or characters.
    """
    whole = list(_fields(model))
    trainer = dict(_fields(_last(whole, 2, b"")))
    normalizer = dict(_fields(_last(whole, 3, b"")))
    model_type = trainer.get(3, 1)
    if model_type not in (1, 2) or trainer.get(24, 0) or not normalizer.get(5, 1):
        raise ValueError("it is a model of words or characters, or has spaces in another place than before words")
    return Fields(
        tuple(_piece(dict(_fields(value))) for number, value in whole if number == 1),
        model_type == 2,
        bool(trainer.get(35, 0)),
        normalizer.get(2, b""),
        bool(normalizer.get(3, 1)),
        bool(normalizer.get(4, 1)),
    )


def _piece(fields: dict[int, Any]) -> Piece:
    (score,) = struct.unpack("<f", fields.get(2, bytes(4)))
    return Piece(fields[1].decode(), score, Kind(fields.get(3, 1)))


def _last(fields: list[tuple[int, Any]], number: int, otherwise: Any) -> Any:
    return next((value for found, value in reversed(fields) if found == number), otherwise)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a message's fields: whole numbers, or bytes."""
    place = 0
    while place < len(message):
        key, place = _number(message, place)
        number, form = key >> 3, key & 7
        if form == _VARINT:
            value, place = _number(message, place)
            yield number, value
            continue
        if form == _SIZED:
            size, place = _number(message, place)
        elif form in _SIZES:
            size = _SIZES[form]
        else:
            raise ValueError(f"it has a field of the unknown form {form}")
        if place + size > len(message):
            raise ValueError("it ends within a field")
        yield number, message[place : place + size]
        place += size


def _number(message: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and the place after it."""
    number = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("it ends within a number")
        byte = message[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place
