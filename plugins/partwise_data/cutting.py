"""Where a long document is cut: at the end of a line, else of a word, else between characters."""

from __future__ import annotations

from typing import BinaryIO

NEAR = 1 << 16
"""Bytes that are searched for the end of a line, or of a word."""
BLANKS = b" \t\r\n"


def cut_near(file: BinaryIO, offset: int, size: int) -> int:
    """Where to cut a document of `size` bytes: at `offset`, or soon after it, where a line or a word begins.

    If there is no such place before the end of the document, the nearest word before `offset`; if there is only one
    word, the next character.
    """
    if offset <= 0 or offset >= size:
        return min(max(offset, 0), size)
    file.seek(offset - 1)
    ahead = file.read(min(NEAR, size - offset))  # without the last byte: a cut after it would leave nothing
    line = ahead.find(b"\n")
    if line >= 0:
        return offset + line
    word = _first_blank(ahead)
    if word >= 0:
        return offset + word
    file.seek(max(0, offset - NEAR))
    behind = file.read(min(NEAR, offset))
    word = max(map(behind.rfind, (bytes([blank]) for blank in BLANKS)))
    if word > 0:
        return offset - len(behind) + word + 1
    file.seek(offset)
    rest = file.read(4)
    return offset + next((place for place, byte in enumerate(rest) if not 0x80 <= byte < 0xC0), len(rest))


def _first_blank(text: bytes) -> int:
    return min((place for place in map(text.find, (bytes([blank]) for blank in BLANKS)) if place >= 0), default=-1)
