"""Lists the runs in a directory with a few figures each. Imports no torch, as it never reads weights."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from partwise.errors import PartwiseError
from partwise.metric_names import EPOCHS, VALID_BITS_PER_BYTE, VALID_LOSS, judged

from .afterwards import kept
from .layout import MANIFEST, METRICS, RECIPE, STATUS, WEIGHTS
from .ownership import holder
from .run import Run

DEEPEST = 3
"""How many levels of directories are searched."""
OF_MEMBERS = ("valid.", EPOCHS)
"""How the names of figures of the members of a mixture begin, which no evaluation has given."""


@dataclass(frozen=True)
class Listed:
    """One run."""

    directory: Path
    name: str
    """Of its recipe."""
    seed: int | None
    state: Literal["finished", "training", "diverged", "interrupted", "stopped", "damaged"]
    """`stopped`: not finished, and no process is training in it: it was killed, or its machine went down."""
    step: int | None
    """Step of the newest figures; None if the run was imported."""
    steps: int | None
    """Total updates, if the trainer says."""
    loss: float | None
    """Nats per token on the valid split, at the newest evaluation."""
    bits_per_byte: float | None
    seconds_ago: float
    """Since something of it was last written."""
    problem: str | None = None
    """What is damaged."""
    start: str | None = None
    """The run that it started from, where that was then."""
    segments: tuple[int, ...] = ()
    """Updates that it had made each time it was finished, before it went on."""
    evaluations: Mapping[str, float] = field(default_factory=dict)
    """The newest figures of the recipe's evaluations, by name, and of others that it was judged by afterwards."""


def runs_in(directory: Path) -> list[Listed]:
    """Every run in `directory` and below, most recently written first."""
    # A link to a run counts as that run, under the shorter name.
    found = sorted(
        _found(directory, DEEPEST), key=lambda path: (path.is_symlink(), len(path.parts), path), reverse=True
    )
    runs = {path.resolve(): path for path in found}
    return sorted(map(listed, runs.values()), key=lambda run: (run.seconds_ago, run.directory))


def listed(directory: Path) -> Listed:
    """The figures of one run, whatever state it is in."""
    age = time.time() - max(_written(directory), default=time.time())
    try:
        run = Run.open(directory)
        rows = run.rows()
    except PartwiseError as error:
        return Listed(directory, directory.name, None, "damaged", None, None, None, None, max(age, 0.0), str(error))
    newest: dict[str, Any] = {}
    for row in rows:
        newest |= {key: value for key, value in row.items() if value is not None}
    state = run.state
    trainer = run.recipe.get("trainer")
    imported = "imported" in run.lock  # trained elsewhere, so its steps are not known
    return Listed(
        directory,
        str(run.recipe.get("name", directory.name)),
        run.recipe.get("seed"),
        "stopped" if state == "training" and holder(directory) is None else state,
        None if imported else newest.get("step", run.step),
        trainer.get("steps") if isinstance(trainer, dict) and not imported else None,
        newest.get(VALID_LOSS),
        newest.get(VALID_BITS_PER_BYTE),
        max(age, 0.0),
        evaluations=_evaluations(run, newest),
        start=_start(run),
        segments=tuple(one.steps for one in run.segments),
    )


def _evaluations(run: Run, newest: Mapping[str, Any]) -> dict[str, float]:
    own = {name: value for name, value in newest.items() if judged(name) and not name.startswith(OF_MEMBERS)}
    others = {one.name: one.value for one in kept(run) if one.weights == "last"}
    return own | {name: value for name, value in others.items() if name not in own}


def _start(run: Run) -> str | None:
    """As it was written; where that is not known, as its hash."""
    start = run.recipe.get("start")
    return str(start.get("run", start.get("sha256"))) if isinstance(start, dict) else None


def _found(directory: Path, depth: int) -> Iterator[Path]:
    if (directory / RECIPE).is_file() and ((directory / MANIFEST).exists() or (directory / METRICS).exists()):
        yield directory
        return
    if depth:
        try:
            below = sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
        except OSError:  # we may not read it
            return
        for path in below:
            yield from _found(path, depth - 1)


def _written(directory: Path) -> Iterator[float]:
    """When training last wrote its files; pictures drawn of a run later do not count."""
    for name in (RECIPE, METRICS, WEIGHTS, STATUS):
        with suppress(OSError):
            yield (directory / name).lstat().st_mtime


__all__ = ["Listed", "listed", "runs_in"]
