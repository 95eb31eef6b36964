"""`partwise inspect`: what a model is made of, and what it costs, without its weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import prod
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from . import options
from .output import console, heading, paragraph, print_json, show_columns
from .text import in_bytes, in_words

if TYPE_CHECKING:
    from partwise.inspection import Inspection, Row

CONTAINERS = ("ModuleList", "ModuleDict", "Sequential")
"""Modules that only hold others: their children are shown in their place."""
MOST_WEIGHTS = 4
"""Weights of one module that are listed one by one."""
END, ASCII_END = "└─ ", "`- "


@click.command("inspect")
@options.recipe
@options.overrides
@click.option("--vocabulary", type=options.whole(1), metavar="N", help="Number of tokens, in place of the tokenizer's.")
@options.as_json
def command(recipe: str, overrides: tuple[str, ...], vocabulary: int | None, as_json: bool) -> None:
    """Show a recipe's model: modules, shapes, parameters, costs.

    No memory is taken for weights, so a model of any size can be inspected. Shapes name B for the batch,
    T for positions and, where a source is read, M for its positions.

    \b
    Examples:
      partwise inspect gpt
      partwise inspect families/llama3-8b --json
    """
    from partwise import workflow
    from partwise.recipe import load

    loaded = load(recipe, overrides)
    found = workflow.inspect(loaded, vocabulary)
    exact = workflow.planned_vocabulary(loaded.recipe)[1]
    source = "given" if vocabulary else "exact" if exact else "assumed"
    if as_json:
        print_json({"name": loaded.recipe.name, **asdict(found), "vocabulary_is": source})
        return
    heading(loaded.recipe.name)
    paragraph(loaded.recipe.about)
    click.echo()
    _show_tree(found)
    click.echo()
    show_columns(_totals(found, source))


def _show_tree(found: Inspection) -> None:
    """A row for each module that is more than a list of others."""
    shown = [row for row in with_totals(found.rows) if row.type not in CONTAINERS]
    levels, names = placed(shown)
    figures = [(_shape(row), *_parameters(row, found)) for row in shown]
    header = ("output", "parameters", "share")
    taken = sum(2 + max(map(len, column)) for column in zip(header, *figures, strict=True))
    room = max(console().width - taken, 24)
    labels = [
        _wrapped(guide, " ".join(word for word in (name, row.type, _weights(row)) if word), room)
        for guide, name, row in zip(guides(levels), names, shown, strict=True)
    ]
    rows = [(label, *row) for label, row in zip(labels, figures, strict=True)]
    show_columns(rows, header=("module [its weights]", *header), right=(2, 3), wraps=0)
    if any(row.count > 1 for row in shown):
        paragraph("\nLayers that are alike share a row, blocks.0-3 for example; its figures are those of all of them.")


def _wrapped(guide: str, label: str, room: int) -> str:
    """A label of the tree in as many lines as it takes, all of them to the right of its guide."""
    below = guide[:-3] + ("   " if guide.endswith((END, ASCII_END)) else guide[-3:-2] + "  ") if guide else ""
    lines = wrap(label, max(room - len(guide) - 3, 12), break_long_words=False) or [label]
    return guide + f"\n{below}   ".join(lines)


def with_totals(rows: Sequence[Row]) -> list[Row]:
    """The rows with the parameters of all that they stand for: within four layers alike, those of all four."""
    counts: list[int] = []
    found = []
    for row in rows:
        del counts[row.level :]
        found.append(replace(row, parameters=row.parameters * prod(counts)))
        counts.append(row.count)
    return found


def placed(rows: Sequence[Row]) -> tuple[list[int], list[str]]:
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
    trunk, branch, end = ("|  ", "|- ", ASCII_END) if console().options.ascii_only else ("│  ", "├─ ", END)
    found: list[str] = []
    open_levels: set[int] = set()  # at which a further row follows below
    for level in reversed(levels):
        last = level not in open_levels
        open_levels = {depth for depth in open_levels if depth < level} | {level}
        lines = (trunk if depth in open_levels else "   " for depth in range(1, level))
        found.append("".join(lines) + (end if last else branch) if level else "")
    return found[::-1]


def _shape(row: Row) -> str:
    return " ".join(map(str, row.output)) if row.output else ""


def _parameters(row: Row, found: Inspection) -> tuple[str, str]:
    """How many, and which share of all."""
    if not row.parameters:
        return "", ""
    return f"{row.parameters:,}", f"{row.parameters / found.parameters:.1%}"


def _weights(row: Row) -> str:
    """`[576x192, 576]`; of many, how often each shape is there: `[2 of 256x128, 4 of 256]`."""
    shapes = ["x".join(map(str, shape)) or "1" for shape in row.weights.values()]
    if len(shapes) > MOST_WEIGHTS:
        shapes = [f"{count} of {shape}" for shape, count in Counter(shapes).items()]
    return f"[{', '.join(shapes)}]" if shapes else ""


def _totals(found: Inspection, source: str) -> list[tuple[str, str]]:
    per_token, fixed = found.state_bytes_per_token, found.state_bytes_fixed
    state = [f"{in_bytes(per_token)} per token"] if per_token or not fixed else []
    state += [f"{in_bytes(fixed)} however long the text"] if fixed else []
    why = {"given": "as given", "exact": "exact", "assumed": "assumed: only the text can tell; see --vocabulary"}
    return [
        ("parameters", f"{found.parameters:,}" + f" ({in_words(found.parameters)})" * (found.parameters >= 10_000)),
        ("weights", f"{in_bytes(4 * found.parameters)} in float32, {in_bytes(2 * found.parameters)} in bfloat16"),
        ("compute", f"{in_words(found.flops_per_token, 'FLOPs')} per token, forward, in a full context"),
        ("decode state", f"{' and '.join(state)}, in float32"),
        ("context", f"{found.context:,} tokens"),
        ("vocabulary", f"{found.vocabulary:,} tokens ({why[source]})"),
    ]
