"""Texts that come from elsewhere (names, tracebacks, diffs), made safe to print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
"""What colours a terminal: control sequences, titles, single escapes."""
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
"""Control characters, halves of surrogate pairs, and marks that reverse the direction of all that follows."""


def lines(text: str) -> str:
    """Without control characters and a terminal's colours; a line that was overwritten keeps its last state."""
    text = _TERMINAL.sub("", text).replace("\r\n", "\n")
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def printable(text: str) -> str:
    """On one line."""
    return " ".join(lines(text).split())


def last_lines(text: str, count: int) -> str:
    """The end of a text."""
    kept = lines(text).rstrip().split("\n")
    return "\n".join(kept if len(kept) <= count else ["…", *kept[-count:]])


def plain(value: Any) -> str:
    """A value of a knob or of the provenance, on one line, as JSON would say it without its quotes."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        if "use" in value:
            rest = {key: item for key, item in value.items() if key != "use"}
            return plain(value["use"]) + (f" ({plain(rest)})" if rest else "")
        return ", ".join(f"{printable(str(key))} = {plain(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(plain(item) for item in value)
    return printable(str(value))


def flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested facts as pairs of a dotted name and a text, in their order; texts of several lines keep them."""
    pairs: list[tuple[str, str]] = []
    for key, value in facts.items():
        name = f"{prefix}{printable(str(key))}"
        if isinstance(value, dict):
            pairs += flat(value, f"{name}.")
        elif isinstance(value, str):
            pairs.append((name, lines(value)))
        else:
            pairs.append((name, plain(value)))
    return pairs


__all__ = ["UNPRINTABLE", "flat", "last_lines", "lines", "plain", "printable"]
