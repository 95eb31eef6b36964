"""Figures by which a run was judged after its training, kept beside its own: JSON lines, appended to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from partwise.errors import WorkError
from partwise.storage.atomic import unwritable

from .layout import JUDGED

if TYPE_CHECKING:
    from .run import Run


@dataclass(frozen=True)
class Afterwards:
    """A figure of an evaluation that was run afterwards."""

    name: str
    """NAME.FIGURE."""
    value: float
    error: float | None
    """Its standard error; None if there is none."""
    count: int
    """Items that it is of."""
    goal: Literal["min", "max"]
    """Whether less or more of it is better."""
    by: str
    """A hash of the evaluation's settings and of the files that it read: equal ones judge by the same."""
    step: int
    """Updates that the weights had seen."""
    weights: Literal["last", "best"]


def keep(run: Run, found: Iterable[Afterwards]) -> None:
    """Adds figures to those that are kept with a run.

    Raises:
        WorkError: they cannot be written.
    """
    path = run.directory / JUDGED
    lines = "".join(f"{json.dumps(asdict(one))}\n" for one in found)
    try:
        with path.open("a", encoding="utf-8") as file:  # one write, so that two commands do not mix their lines
            file.write(lines)
    except OSError as error:
        raise unwritable(path, error) from error


def kept(run: Run) -> list[Afterwards]:
    """The newest figure of each name and of either weights, of those that are of the run as it is now."""
    try:
        lines = (run.directory / JUDGED).read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, WorkError):
        return []
    found: dict[tuple[str, str], Afterwards] = {}
    now = {"last": run.step, "best": run.best}
    for line in lines:
        one = _read(line)
        if one is not None and one.step == now.get(one.weights):
            found.pop((one.name, one.weights), None)
            found[one.name, one.weights] = one
    return list(found.values())


def _read(line: str) -> Afterwards | None:
    """A line; None if it is cut short, or not one of ours: nothing depends on it."""
    try:
        value: Any = json.loads(line)
        one = Afterwards(**value)
    except (TypeError, ValueError):
        return None
    return one if isinstance(one.name, str) and isinstance(one.value, int | float) else None


__all__ = ["Afterwards", "keep", "kept"]
