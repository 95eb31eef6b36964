"""Pipes can be read only once, and one command may name the same one twice: what they gave is kept while it runs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PIECE = 1 << 17
_kept: dict[tuple[str, int, int], bytes] = {}
"""What pipes gave, by path, device and inode."""
_commands = 0
"""How many commands are running, one within another."""


@contextmanager
def pipes_read_once() -> Iterator[None]:
    """While it runs, a named pipe gives again what it gave, rather than wait for somebody to write more."""
    global _commands
    before = dict(_kept)
    _commands += 1
    try:
        yield
    finally:
        _commands -= 1
        _kept.clear()
        _kept.update(before)


def content_of(path: Path, limit: int) -> bytes:
    """The content of a file or a pipe, read no further than just beyond `limit` bytes.

    Raises:
        OSError: it cannot be read.
    """
    there = os.stat(path)
    key = (str(path.absolute()), there.st_dev, there.st_ino)
    if key in _kept:
        return _kept[key]
    with open(path, "rb") as file:
        if stat.S_ISREG(there.st_mode):
            return file.read(limit + 1)
        content = in_pieces(file, limit)
    # `<(a command)` gives a name in /proc, and no other pipe ever has the same
    if _commands or os.path.realpath(path).startswith("/proc/"):
        _kept[key] = content
    return content


def in_pieces(file: BinaryIO, limit: int) -> bytes:
    """What a pipe returns piece by piece, up to the limit."""
    content = b""
    for piece in iter(lambda: file.read(PIECE), b""):
        content += piece
        if len(content) > limit:
            break
    return content
