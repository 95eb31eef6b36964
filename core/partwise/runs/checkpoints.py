"""The checkpoints of a run: a kill never leaves half of one, and none is used before it is verified.

A checkpoint is a directory that appears by a rename, once all its files and their manifest are on the disk. Several
are kept, so that damage to one costs only the updates made since the one before.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from partwise.errors import PartwiseError, WorkError
from partwise.storage.atomic import flush_to_disk

from .checkpoint import Checkpoint, begin, contents, read, read_valid_loss, settle, verify, write
from .layout import CHECKPOINT, METRICS
from .manifest import Segment

if TYPE_CHECKING:
    from partwise.storage.in_shares import Files


class Checkpoints:
    """The checkpoints in a run's `directory`; `run` is its identity, so that those of another run are not used.

    Those of earlier `segments` have the identity that the run had then.
    """

    def __init__(self, directory: Path, run: str, segments: tuple[Segment, ...] = ()) -> None:
        self.directory = directory
        self.run = run
        self.segments = segments

    def owner(self, step: int) -> str:
        """The identity that the run had when it made update `step`."""
        return next((one.run for one in self.segments if step <= one.steps), self.run)

    def steps(self) -> list[int]:
        """The steps for which there are checkpoints, good or not, in rising order."""
        names = (CHECKPOINT.fullmatch(path.name) for path in self.directory.iterdir())
        return sorted(int(match[1]) for match in names if match and int(match[1]))

    def place(self, step: int) -> Path:
        """The directory of the checkpoint of `step`."""
        return self.directory / f"checkpoint-{step}"

    def best(self) -> int | None:
        """The step with the lowest validation loss (the first of several) of those kept; None if none was evaluated."""
        losses = [(loss, step) for step in self.steps() if (loss := self._valid_loss(step)) is not None]
        return min(losses)[1] if losses else None

    def save(self, saved: Checkpoint, keep: int) -> None:
        """Writes a checkpoint; then removes all but the newest `keep` and the best.

        Raises:
            OSError: it could not be written; the earlier ones are intact.
        """
        partial = self._partial(saved.step)
        shutil.rmtree(partial, ignore_errors=True)
        try:
            write(partial, saved, self.owner(saved.step))
            self._publish(saved.step)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        self._prune(saved.step, keep)

    def in_shares(self, saved: Checkpoint, keep: int) -> Files:
        """`save` of a checkpoint of which several processes write each its shares."""
        from partwise.storage.in_shares import Files

        partial, owner = self._partial(saved.step), self.owner(saved.step)

        def prepare() -> None:
            shutil.rmtree(partial, ignore_errors=True)
            begin(partial, saved)

        def complete() -> None:
            settle(partial, owner)
            self._publish(saved.step)
            self._prune(saved.step, keep)

        return Files(contents(partial, saved), prepare, complete, lambda: shutil.rmtree(partial, ignore_errors=True))

    def _partial(self, step: int) -> Path:
        """Where a checkpoint is written."""
        return self.directory / f".{self.place(step).name}.partial"

    def _publish(self, step: int) -> None:
        """Gives a checkpoint that has been written its name. Raises OSError."""
        place = self.place(step)
        if place.exists():
            self._remove(step)
        self._partial(step).rename(place)
        flush_to_disk(self.directory)

    def _prune(self, written: int, keep: int) -> None:
        steps = self.steps()
        for step in set(steps) - {*steps[-keep:], written, self.best()}:
            self._remove(step)

    def verified(self, step: int) -> Path:
        """The directory of a checkpoint, once it is verified.

        Raises:
            WorkError: it is damaged, or another run's.
        """
        verify(self.place(step), self.owner(step))
        return self.place(step)

    def is_good(self, step: int) -> bool:
        """Whether it passes verification."""
        try:
            self.verified(step)
        except PartwiseError:
            return False
        return True

    def newest_good(self, below: int | None = None) -> int | None:
        """The newest step whose checkpoint is good, of those before `below`; None if there is none."""
        steps = (step for step in reversed(self.steps()) if below is None or step < below)
        return next((step for step in steps if self.is_good(step)), None)

    def restore(self, use: Callable[[Checkpoint], None]) -> tuple[Checkpoint | None, list[str]]:
        """Hands the newest good checkpoint to `use`, and sets aside newer ones that are damaged.

        `use` may refuse one too, by a PartwiseError. Returns the checkpoint that was used (None if there are none),
        and what was wrong with each newer one.

        Raises:
            WorkError: there are checkpoints but none is good; they are left as they are.
        """
        problems: dict[int, str] = {}
        for step in reversed(self.steps()):
            try:
                saved = read(self.place(step), step, self.owner(step))
                use(saved)
            except PartwiseError as error:
                problems[step] = str(error)
                continue
            except OSError as error:
                problems[step] = f"cannot read {self.place(step)}: {error.strerror or error}"
                continue
            return saved, [f"{problem} ({self._set_aside(one)})" for one, problem in problems.items()]
        if problems:
            raise WorkError(
                "\n  ".join([f"{self.directory} holds no checkpoint to continue from", *problems.values()])
                + f"\n  restore one from a copy, or train from the start: in another directory, or here once the "
                f"checkpoint directories are removed; the metrics so far are in {self.directory / METRICS}"
            )
        return None, []

    def _set_aside(self, step: int) -> str:
        """Moves a damaged checkpoint out of the way, replacing one that was set aside before."""
        aside = self.directory / f"damaged-{self.place(step).name}"
        try:
            shutil.rmtree(aside, ignore_errors=True)
            self.place(step).rename(aside)
        except OSError as error:
            return f"cannot set it aside: {error.strerror}"
        return f"set aside as {aside.name}"

    def _remove(self, step: int) -> None:
        """Renames it first, so that a kill never leaves half a checkpoint under its name."""
        leaving = self.directory / f".checkpoint-{step}.old.partial"
        try:
            self.place(step).rename(leaving)
        except OSError:
            return
        shutil.rmtree(leaving, ignore_errors=True)

    def _valid_loss(self, step: int) -> float | None:
        try:
            return read_valid_loss(self.place(step), self.owner(step))
        except PartwiseError:
            return None
