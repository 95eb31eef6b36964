"""Problems as one screen of text: what, where, the line with a caret, what is installed.

recipes/mine.json:7:37: unknown mixer 'acme/sink', did you mean 'acme/sinks'?
  at model.blocks.0.mixer
    7 |     "mixer": {"use": "acme/sink", "heads": 8}
      |                      ^
  installed: acme/sinks (acme-sinks 0.3.1), multi_head, grouped_query, ...
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Protocol, TypeVar

from partwise.errors import RecipeError
from partwise.parts.part import Path

from .source import Mark

MOST_SHOWN = 20
"""Most problems shown; the rest are counted."""
WIDEST = 100
"""Most columns shown of a source line; a longer one is cut around the caret."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    message: str
    mark: Mark | None = None
    """Where it is; None if it has no place, like a file that is missing."""
    path: Path = ()
    """The place in the recipe."""
    remark: str = ""
    """Qualifies the path: "which is a default"."""
    notes: tuple[str, ...] = ()
    """Lines that help: what is installed, which plugin is broken."""


class RejectedError(RecipeError):
    """A `RecipeError` that keeps its list of problems, so that those of several steps can be shown at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(render(problems))
        self.problems = tuple(problems)


def render(problems: Iterable[Problem]) -> str:
    """All problems as text, sorted by source and place."""
    ordered = in_order(problems)
    shown, said = list[str](), set[str]()
    for problem in ordered[:MOST_SHOWN]:
        # The same list of what is installed is shown once, however many names are unknown.
        notes = [note for note in problem.notes if note not in said]
        said.update(notes)
        shown.append("\n".join(_lines(problem, notes)))
    hidden = len(ordered) - len(shown)
    if hidden:
        shown.append(f"and {hidden} more problem{'s' if hidden > 1 else ''}")
    return "\n".join(shown)


class Marked(Protocol):
    """Anything with a mark."""

    @property
    def mark(self) -> Mark | None: ...


MarkedT = TypeVar("MarkedT", bound=Marked)


def in_order(things: Iterable[MarkedT]) -> list[MarkedT]:
    """Sorted by source, in the order in which sources first appear, and by place in each."""
    things = list(things)
    sources = dict.fromkeys(thing.mark.source for thing in things if thing.mark)
    rank = {source: number for number, source in enumerate(sources)}
    return sorted(things, key=lambda thing: (rank[thing.mark.source], thing.mark.start) if thing.mark else (-1, 0))


def _lines(problem: Problem, notes: list[str]) -> Iterable[str]:
    message = "\n  ".join(map(printable, problem.message.splitlines()))
    yield message if problem.mark is None else f"{printable(str(problem.mark))}: {message}"
    if problem.path:
        yield f"  at {printable(dotted(problem.path))}" + (f", {problem.remark}" if problem.remark else "")
    if problem.mark is not None:
        yield from _excerpt(problem.mark)
    for note in notes:
        for number, line in enumerate(note.splitlines()):
            indent = "  " if number == 0 else "    " + " " * (len(line) - len(line.lstrip()))
            text = printable(line.strip())
            yield from wrap(text, 110, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)


def dotted(path: Path) -> str:
    """`model.blocks.0.mixer`."""
    return ".".join(cut(str(segment)) for segment in path)


def cut(text: str, most: int = 60) -> str:
    """A text, cut if it has more than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 10]}... ({len(text)} characters)"


def _excerpt(mark: Mark) -> Iterable[str]:
    """The line of `mark`, and a caret under its first character."""
    number, column = mark.source.line_and_column(mark.start)
    line = mark.source.line(number)
    caret = min(column - 1, len(line))
    skipped = max(0, caret - WIDEST)  # a line may be the whole file
    cells = [(_shown(char), _width(char)) for char in line[skipped : caret + WIDEST]]
    caret -= skipped
    first, last = _window([width for _, width in cells], caret)
    before = ("…" if skipped + first else "") + "".join(text for text, _ in cells[first:caret])
    indent = sum(width for _, width in cells[first:caret]) + (1 if skipped + first else 0)
    after = "".join(text for text, _ in cells[caret:last]) + ("…" if skipped + last < len(line) else "")
    label = f"    {number} | " if mark.source.numbered else "    "
    gutter = f"{' ' * (len(label) - 2)}| " if mark.source.numbered else label
    yield f"{label}{before}{after}".rstrip()
    yield f"{gutter}{' ' * indent}^"


def _window(widths: list[int], caret: int) -> tuple[int, int]:
    """The range of characters to show: at most WIDEST columns, with the caret among them."""
    if sum(widths) <= WIDEST:
        return 0, len(widths)
    first, room = caret, WIDEST * 2 // 3
    if sum(widths[:caret]) <= room:
        first = 0
    else:
        while first and widths[first - 1] <= room:
            first -= 1
            room -= widths[first]
    last, room = caret, WIDEST - sum(widths[first:caret])
    while last < len(widths) and widths[last] <= room:
        room -= widths[last]
        last += 1
    return first, last


def _shown(char: str) -> str:
    if char == "\t":
        return "    "
    return char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"


def _width(char: str) -> int:
    """Columns of a character in a terminal."""
    if char == "\t":
        return 4
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def printable(text: str) -> str:
    """The text with control characters escaped: a file may hold anything."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
