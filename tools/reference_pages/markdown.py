"""Pieces of Markdown pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MEANT = re.compile(r"(`[^`]*`)")


def plain(text: str) -> str:
    """A text that Markdown shows as it is written, but for code between backticks."""
    return "".join(
        piece if piece.startswith("`") else re.sub(r"([\\*_\[\]<>|#~$])", r"\\\1", piece)
        for piece in _MEANT.split(" ".join(text.split()))
    )


def code(text: str) -> str:
    """A text as code; an empty one stays empty."""
    if not text:
        return ""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown already."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join(lines)


def block(text: str, language: str = "") -> str:
    """Lines as they are."""
    return f"```{language}\n{text.strip(chr(10))}\n```"


def page(*pieces: str) -> str:
    """A page of its pieces."""
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


__all__ = ["block", "code", "page", "plain", "table"]
