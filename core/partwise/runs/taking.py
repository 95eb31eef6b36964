"""The weights of a run that another training begins with: which file they are in, and its hash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from partwise.errors import InputError, WorkError

from .finish import HOW_TO_RESTORE
from .layout import WEIGHTS
from .manifest import Manifest
from .run import Run

Which = Literal["last", "best"]


@dataclass(frozen=True)
class Taken:
    """Weights of a run, found and not yet read."""

    run: Run
    place: Path
    """The directory that they are in: the run's, or that of a checkpoint."""
    sha256: str
    """Of their file, as the manifest beside it says."""
    step: int | None
    """The update after which they were kept; None if the run was imported."""

    @property
    def file(self) -> Path:
        return self.place / WEIGHTS

    def verify(self) -> None:
        """Reads the whole file, to make sure that it holds what was written.

        Raises:
            WorkError: it does not.
        """
        try:
            Manifest.read(self.place).verify((WEIGHTS,))
        except WorkError as error:
            raise WorkError(f"{error}; {HOW_TO_RESTORE}") from error


def weights_to_take(directory: Path, which: Which = "last") -> Taken:
    """The weights of the run in `directory` to begin with: the final ones, or those with the lowest validation loss.

    Where a run keeps an average of its weights, it is that average. Reads no weights.

    Raises:
        InputError: it is no run, or one without such weights.
        WorkError: a file of it is damaged.
    """
    run = Run.open(directory)
    if which == "last" and not run.finished:
        raise InputError(
            f"the run in {directory} is not finished, so it has no last weights yet; finish it (the command that "
            'started it continues it), or take the best of those it has kept: "weights": "best"'
        )
    place, step = directory, None if "imported" in run.lock else run.step
    if which == "best":
        step = run.best
        if step is None:
            raise InputError(
                f"the run in {directory} has no best weights, as none of its checkpoints was evaluated; "
                'take the last ones: "weights": "last"'
            )
        place = run.place_of(step)
    entry = Manifest.read(place).files.get(WEIGHTS)
    if entry is None:
        raise WorkError(f"{place / WEIGHTS} is foreign: no manifest lists it; {HOW_TO_RESTORE}")
    return Taken(run, place, entry.sha256, step)


__all__ = ["Taken", "Which", "weights_to_take"]
