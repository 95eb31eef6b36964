"""Words and figures as people read them."""

from __future__ import annotations

import os
import re

_CONTROL = re.compile(
    # Characters that move the cursor or start an escape sequence (C0 without tab and newline, DEL, C1), change the
    # direction of writing or break lines, and lone surrogates, which no encoding can write.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text with control characters as escapes (`\\x1b`), so that a terminal only shows it."""
    return _CONTROL.sub(lambda match: _escape(ord(match[0])), text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def first_line(text: str | None) -> str:
    """The first line of a docstring."""
    return (text or "").strip().partition("\n")[0]


def in_words(count: float, unit: str = "") -> str:
    """A quantity to four digits: `124.4 million`, `3.2 billion FLOPs`, `512`."""
    name = ""
    for name in ("", "thousand", "million", "billion", "trillion", "quadrillion"):
        if abs(count) < 1000 or name == "quadrillion":
            break
        count /= 1000
    number = f"{count:,.0f}" if count == round(count) else f"{count:,.1f}"
    return " ".join(word for word in (number, name, unit) if word)


def in_bytes(count: float) -> str:
    """A size: `1.5 MB`."""
    name = ""
    for name in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or name == "PB":
            break
        count /= 1000
    return f"{count:,.0f} {name}" if name == "bytes" else f"{count:,.1f} {name}"


def duration(seconds: float) -> str:
    """`0:07`, `12:30`, `3:05:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def figure(value: float | None) -> str:
    """A metric to four digits: `3.214`, `28.51`, `20,481`, `2.048e+12`; a dash if there is none."""
    if value is None:
        return "-"
    if abs(value) >= 1e9:
        return f"{value:.3e}"
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1 if abs(value) < 1000 else 0
    return f"{value:,.{digits}f}"


def as_text(given: str, option: str) -> str:
    """A text that an option was given. The shell passes bytes that are not UTF-8 on as halves of characters.

    Raises:
        InputError: it has done so.
    """
    from partwise.storage import decode_text

    whole = given.isascii() or not any("\ud800" <= char <= "\udfff" for char in given)
    return given if whole else decode_text(os.fsencode(given), option)
