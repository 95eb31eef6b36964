"""What commands print with: rich on a terminal, plain lines in a pipe, JSON on demand."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .text import visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPE_WIDTH = 1000
"""Columns of what is piped, unless COLUMNS says otherwise: one line per entry, for grep and the like."""

NARROWEST = 24
"""Fewest columns that text is wrapped to, however narrow the terminal."""


def write(text: str = "", end: str = "\n", err: bool = False) -> None:
    """Prints text at once. (`click.echo` would send UTF-8 even to an ASCII terminal.)"""
    print(text, end=end, file=sys.stderr if err else sys.stdout, flush=True)


STANDARD_OUTPUT = Path("-")


def write_file(place: Path, text: str) -> None:
    """Writes a text to a file that the user named; to standard output for "-"."""
    if place == STANDARD_OUTPUT:
        write(text, end="")
        return
    from partwise.storage.outputs import write_output

    write_output(place, text)


def said(line: str) -> None:
    """Writes a line on what is going on to stderr: stdout is for what the command answers."""
    write(visible(line), err=True)


def console(stderr: bool = False) -> Console:
    """A console that takes text as it is: no markup, no emoji codes, no guessed highlights."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=width)


def has_colours() -> bool:
    """Whether what is printed goes to a terminal that shows colours, and block letters too."""
    out = console()
    return out.is_terminal and out.color_system is not None and not out.no_color and out.encoding.startswith("utf")


def show(renderable: RenderableType, least: int = 0) -> None:
    """Prints a rich object on at least `least` columns; without a terminal, trailing spaces are removed."""
    out = console()
    out.width = max(out.width, least)
    if out.is_terminal:
        out.print(renderable)
        return
    with out.capture() as captured:
        out.print(renderable)
    for line in captured.get().splitlines():
        write(line.rstrip())


Rows = Iterable[Sequence[str]]


def show_columns(rows: Rows, header: Sequence[str] = (), right: Sequence[int] = (), wraps: int = -1) -> None:
    """Prints rows in aligned columns. Those in `right` hold figures; only column `wraps` is ever wrapped."""
    from rich.table import Table
    from rich.text import Text

    lines = [[Text(visible(cell)) for cell in row] for row in rows]
    count = len(lines[0]) if lines else len(header)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(header), header_style="bold")
    for index in range(count):
        table.add_column(
            header[index] if header else "",
            justify="right" if index in right else "left",
            no_wrap=index != wraps % count,
            overflow="fold",
        )
    for line in lines:
        table.add_row(*line)
    # A terminal that is too narrow breaks the lines itself; cut off, figures would be others.
    widths = [max((cell.cell_len for cell in column), default=0) for column in zip(*lines, strict=True)]
    widths = [max(len(title), width) for title, width in zip(header, widths, strict=True)] if header else widths
    if widths:
        widths[wraps] = min(widths[wraps], NARROWEST)
    show(table, least=sum(widths) + 2 * len(widths))


def heading(text: str) -> None:
    """Prints a line that stands out."""
    from rich.text import Text

    show(Text(visible(text), style="bold"))


def show_line(sign: str, text: str, style: str) -> None:
    """Prints text with a sign before it; wrapped, it stays to the right of the sign."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(sign, style), Text(visible(text), style))
    show(grid)


def paragraph(text: str, indent: int = 0) -> None:
    """Prints text, wrapped to the width there is."""
    from rich.padding import Padding
    from rich.text import Text

    show(Padding(Text(visible(text)), (0, 0, 0, indent), expand=False))


def print_json(value: Any) -> None:
    """Prints one JSON value, in ASCII for any terminal; numbers that are not finite become null."""
    write(json.dumps(_finite(value), indent=2, default=str, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
