"""The modules of a model as a tree, with the output shape and the parameters of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from textwrap import wrap
from typing import TYPE_CHECKING

from .output import console, paragraph, show_columns

if TYPE_CHECKING:
    from partwise.assembly.inspection import Inspection, ModuleRow

CONTAINERS = ("ModuleList", "ModuleDict", "Sequential")
"""Modules that only hold others; their children are shown instead."""
MOST_WEIGHTS = 4
"""Most weights of a module that are listed one by one."""
TRUNK, BRANCH, END = "│  ", "├─ ", "└─ "
ASCII_TRUNK, ASCII_BRANCH, ASCII_END = "|  ", "|- ", "`- "


def show_tree(found: Inspection) -> None:
    """Prints a row for each module, without containers."""
    shown = [row for row in with_totals(found.rows) if row.type not in CONTAINERS]
    levels, names = placed(shown)
    figures = [(_shape(row), *_parameters(row, found)) for row in shown]
    header = ("output", "parameters", "share")
    taken = sum(2 + max(map(len, column)) for column in zip(header, *figures, strict=True))
    room = max(console().width - taken, 24)
    labels = [
        _wrapped(guide, " ".join(word for word in (name, _type(row), _weights(row)) if word), room)
        for guide, name, row in zip(guides(levels), names, shown, strict=True)
    ]
    rows = [(label, *row) for label, row in zip(labels, figures, strict=True)]
    show_columns(rows, header=("module [its weights]", *header), right=(2, 3), wraps=0)
    shared = [name for name, row in zip(names, shown, strict=True) if row.count > 1]
    if shared:
        paragraph(f"\nA row such as {shared[0]} stands for several identical modules; its figures are for all of them.")


def _wrapped(guide: str, label: str, room: int) -> str:
    """A label of the tree, wrapped to the right of its guide."""
    below = guide
    for drawn, passed in ((END, "   "), (ASCII_END, "   "), (BRANCH, TRUNK), (ASCII_BRANCH, ASCII_TRUNK)):
        below = below.replace(drawn, passed)
    lines = wrap(label, max(room - len(guide) - 3, 12), break_long_words=False) or [label]
    return guide + f"\n{below}   ".join(lines)


def with_totals(rows: Sequence[ModuleRow]) -> list[ModuleRow]:
    """The rows with the parameters of all modules they stand for: in four identical layers, those of all four."""
    counts: list[int] = []
    found = []
    for row in rows:
        del counts[row.level :]
        found.append(replace(row, parameters=row.parameters * prod(counts)))
        counts.append(row.count)
    return found


def placed(rows: Sequence[ModuleRow]) -> tuple[list[int], list[str]]:
    """How deep each row is among those given, and its name: the path from the row above it, `blocks.0-3`."""
    above: list[str] = []
    levels, names = [], []
    for row in rows:
        while above and above[-1] and not row.path.startswith(f"{above[-1]}."):
            above.pop()
        levels.append(len(above))
        names.append(_with_count(row.path.removeprefix(f"{above[-1]}.") if above else row.path, row.count))
        above.append(row.path)
    return levels, names


def _with_count(name: str, count: int) -> str:
    head, dot, index = name.rpartition(".")
    if count == 1:
        return name
    return f"{head}{dot}{index}-{int(index) + count - 1}" if index.isdigit() else f"{name} and {count - 1} alike"


def guides(levels: Sequence[int]) -> list[str]:
    """The lines that lead to each row of a tree, in ASCII where the terminal has nothing better."""
    ascii_only = console().options.ascii_only
    trunk, branch, end = (ASCII_TRUNK, ASCII_BRANCH, ASCII_END) if ascii_only else (TRUNK, BRANCH, END)
    found: list[str] = []
    open_levels: set[int] = set()  # at which a further row follows below
    for level in reversed(levels):
        last = level not in open_levels
        open_levels = {depth for depth in open_levels if depth < level} | {level}
        lines = (trunk if depth in open_levels else "   " for depth in range(1, level))
        found.append("".join(lines) + (end if last else branch) if level else "")
    return found[::-1]


def _shape(row: ModuleRow) -> str:
    return " ".join(map(str, row.output)) if row.output else ""


def _parameters(row: ModuleRow, found: Inspection) -> tuple[str, str]:
    """The number of parameters, and their share of all."""
    if not row.parameters:
        return "", ""
    return f"{row.parameters:,}", f"{row.parameters / found.parameters:.1%}"


def _type(row: ModuleRow) -> str:
    """`FeedForward(gelu)`: with its settings, unless its weights tell them."""
    return f"{row.type}({row.detail})" if row.detail and not row.weights else row.type


def _weights(row: ModuleRow) -> str:
    """`[576x192, 576]`; of many, how often each shape is there: `[2 of 256x128, 4 of 256]`."""
    shapes = ["x".join(map(str, shape)) or "1" for shape in row.weights.values()]
    if len(shapes) > MOST_WEIGHTS:
        shapes = [f"{count} of {shape}" for shape, count in Counter(shapes).items()]
    return f"[{', '.join(shapes)}]" if shapes else ""
