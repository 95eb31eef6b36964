"""What to say where a table lacks the column that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from partwise.wording import some_of


def named_twice(path: Path, field: str, named: str) -> str:
    """The message that several columns have the name `field`.

    Args:
        named: what leads to their list: "its first row names".
    """
    return f"{path}: {named} {field!r} more than once, and one column holds the text; rename the others"


def no_such_column(path: Path, field: str, columns: Sequence[str], named: str) -> str:
    """The message that `field` is not among the columns.

    Args:
        named: what leads to their list: "its first row names".
    """
    near = get_close_matches(field, columns, n=1) or [name for name in columns if name.lower() == field.lower()]
    guess = f", did you mean {near[0]!r}?" if near else ""
    there_are = some_of([repr(name) for name in columns]) if columns else "none"
    return (
        f'{path} has no column {field!r}{guess}{"" if guess else ";"} {named}: {there_are}. The knob "field" of the '
        "data names the column of the text"
    )
