"""Text as people give it: UTF-8, or an error that says what it is instead and how to make it UTF-8."""

from __future__ import annotations

import shlex
from pathlib import Path

from partwise.errors import InputError

from .encodings import encoding_of, utf_without_marks
from .file_kinds import kind_of

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SEEN = 1 << 16
"""Bytes that are looked at to tell what a file is."""
MOST_CONTROLS = 0.1
"""Share of control characters above which bytes are no text; half of it where they are no UTF-8 anyway."""
CONTROLS = bytes({*range(32), 127} - {*b"\b\t\n\f\r\x1b"})
"""Those that text has no use for: not white space, nor what terminals write."""


def decode_text(raw: bytes, name: str, offset: int = 0, path: Path | None = None) -> str:
    """The text of bytes in UTF-8, without the byte-order mark that some editors put first.

    Args:
        name: how the user knows what the bytes are from: "standard input", or a file's name.
        offset: at which the bytes begin in it.
        path: the file that the bytes are of, if they are of one: the advice is for it.

    Raises:
        InputError: they are not UTF-8, or no text; the message says what they are, and what to do.
    """
    if offset == 0:
        _refuse_what_is_no_text(_part(path, 0, SEEN, raw), name, path)
    elif len(raw) >= SEEN:
        _refuse_controls(raw, name)
    if (nul := raw.find(b"\0")) >= 0:
        _refuse_other_utf(raw[max(0, nul - nul % 4 - 2048) :][:4096], name, offset + nul, path)
    mark = len(BYTE_ORDER_MARK) if offset == 0 and raw.startswith(BYTE_ORDER_MARK) else 0
    try:
        return raw[mark:].decode("utf-8")
    except UnicodeDecodeError as error:
        at = mark + error.start
        near = _part(path, max(0, offset + at - SEEN), 2 * SEEN, raw[max(0, at - SEEN) : at + SEEN])
        _refuse_controls(near, name, MOST_CONTROLS / 2)
        lines = raw[:at].count(b"\n") + 1
        line = f"line {lines}, " if offset == 0 else ""
        problem = f"{name} is not UTF-8 text: byte {offset + at} is 0x{raw[at]:02x} ({line}{error.reason})"
        advice = _repair(path) if _is_damaged(near) else _conversion(encoding_of(near), path)
        raise InputError(f"{problem}. {advice}") from None


def _part(path: Path | None, start: int, length: int, otherwise: bytes) -> bytes:
    """A stretch of a file, if it is one that can be read again; a line of it says too little."""
    if path is None or not path.is_file():
        return otherwise
    try:
        if start == 0 and len(otherwise) == path.stat().st_size:
            return otherwise[:length]  # all of it
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _refuse_what_is_no_text(head: bytes, name: str, path: Path | None) -> None:
    """Looks at the first bytes: byte-order marks, signs of other kinds of files, control characters."""
    kind = kind_of(head)
    if kind is not None and not (kind.plain and b"\0" not in head):  # a text may begin with letters, too
        raise InputError(f"{name} is not UTF-8 text: it is {kind.what}. {kind.fix(path)}")
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            raise InputError(f"{name} is not UTF-8 text: it is {encoding}. {_conversion(encoding, path)}")
    _refuse_other_utf(head, name, 0, path)
    _refuse_controls(head, name)


_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\x84\x31\x95\x33", "GB18030"),
)


def _refuse_other_utf(piece: bytes, name: str, at: int, path: Path | None) -> None:
    if (encoding := utf_without_marks(piece)) is not None:
        every = "second" if "16" in encoding else "fourth"
        what = f"it is {encoding}{f' from byte {at}' if at else ''}, with a NUL in every {every} place"
        raise InputError(f"{name} is not UTF-8 text: {what}. {_conversion(encoding, path)}")


def _refuse_controls(raw: bytes, name: str, most: float = MOST_CONTROLS) -> None:
    controls = len(raw) - len(raw.translate(None, CONTROLS))
    if controls > most * len(raw):
        raise InputError(
            f"{name} is no text: {controls / len(raw):.0%} of its bytes are control characters. Give it as text in "
            "UTF-8, or leave it out"
        )


def _conversion(encoding: str | None, path: Path | None) -> str:
    """The command that makes UTF-8 of it."""
    if encoding is None:
        advice = "What wrote it knows its encoding, which its bytes do not tell; save it there as UTF-8, or convert it"
        encoding = "ENCODING"
    else:
        advice = "Save it as UTF-8, or convert it"
    if path is None:
        return f"{advice}: iconv -f {encoding} -t UTF-8"
    return f"{advice}: iconv -f {encoding} -t UTF-8 {named(path)} > {named(path, '-utf8')}"


def _is_damaged(near: bytes) -> bool:
    """Whether most of what is beyond ASCII is UTF-8, which text in no other encoding is."""
    text = near.decode("utf-8", "replace")
    beyond, bad = len(text) - sum(map(str.isascii, text)), text.count("\N{REPLACEMENT CHARACTER}")
    return beyond - bad > 2 * bad


def _repair(path: Path | None) -> str:
    what = "What stands around it is UTF-8, so this is damaged or cut off; mend it, or leave out what is: "
    files = "" if path is None else f" {named(path)} > {named(path, '-utf8')}"
    return f"{what}iconv -c -f UTF-8 -t UTF-8{files}"


def named(path: Path, addition: str = "", suffix: str | None = None) -> str:
    """A file beside `path`, as a shell takes it."""
    return shlex.quote(f"{path.stem}{addition}{path.suffix if suffix is None else suffix}")


__all__ = ["BYTE_ORDER_MARK", "decode_text", "named"]
