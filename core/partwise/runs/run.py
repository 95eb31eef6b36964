"""A run: one recipe trained with one seed, as a directory (its files are listed in `layout`).

Files are replaced whole, and a checkpoint appears by renaming its finished directory, so that a run killed at any
moment holds a good checkpoint. Everything is verified against the manifests before it is used. One process at a
time trains in it (`alone_in`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

from partwise.errors import InputError, PartwiseError, WorkError
from partwise.storage.atomic import read_json, write_json

from .checkpoint import Checkpoint, read_verified
from .checkpoints import Checkpoints
from .create import create_or_resume, first_difference
from .finish import HOW_TO_RESTORE, best_weights, final_in_shares, last_weights, mend_final, write_final
from .identity import run_identity
from .layout import GOING_ON, LOCK, MANIFEST, METRICS, RECIPE, STATUS, TOKENIZER, WEIGHTS
from .manifest import Manifest, Segment
from .metrics import MetricsLog, MetricsRow
from .ownership import alone_in, holder

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.distributed import ProcessGroup
    from torch.optim import Optimizer

    from .saving import Saving
    from .weights import OptimizerState

RunState = Literal["finished", "training", "diverged", "interrupted"]
Say = Callable[[str], None]
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class ResumePoint:
    """Where training resumes."""

    step: int = 0
    """Updates done; 0 if there is no checkpoint."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """The trainer's own values, as it saved them."""


class Run:
    """A run's directory; make one with `Run.create` or `Run.open`."""

    def __init__(
        self,
        directory: Path,
        recipe: dict[str, Any],
        tokenizer: dict[str, Any],
        lock: dict[str, Any],
        say: Say = lambda line: None,
        segments: tuple[Segment, ...] = (),
    ) -> None:
        self.directory = directory
        self.recipe = recipe
        self.tokenizer = tokenizer
        self.lock = lock
        self._say = say
        self._metrics = MetricsLog(directory / METRICS)
        self.segments = segments
        self._checkpoints = Checkpoints(directory, run_identity(recipe, lock.get("data")), segments)

    @classmethod
    def create(
        cls,
        directory: Path,
        recipe: dict[str, Any],
        tokenizer: dict[str, Any],
        lock: dict[str, Any],
        say: Say = lambda line: None,
    ) -> Run:
        """Starts a run, or resumes the one that `directory` holds if it has the same recipe.

        A run that is resumed keeps the lock it was started with; one that has trained nothing yet starts over, on the
        data as it is now. Damage is repaired where nothing is lost by it, and `say` receives a line about it.

        Raises:
            InputError: the directory holds a run of another recipe, or files of something else.
            WorkError: it cannot be written, or is damaged beyond repair.
        """
        create_or_resume(directory, recipe, tokenizer, lock, say)
        run = cls.open(directory)
        run._say = say
        if run.finished:
            mend_final(directory, run._checkpoints, say)
        return run

    @classmethod
    def open(cls, directory: Path) -> Run:
        """The run that `directory` holds.

        Raises:
            InputError: it holds none.
            WorkError: a file of it is damaged.
        """
        if not (directory / RECIPE).is_file() and not (directory / MANIFEST).is_file():
            raise InputError(f"{directory} holds no run: it has no {RECIPE}")
        if (directory / GOING_ON).is_file():
            raise WorkError(f"{directory} was about to go on when it was stopped: partwise train {directory} does so")
        try:
            manifest = Manifest.read(directory)
            manifest.verify((RECIPE, TOKENIZER, LOCK))
        except WorkError as error:
            raise WorkError(
                f"{error}; run the training command again, which repairs what it can, or restore it from a copy"
            ) from error
        recipe, tokenizer, lock = (read_json(directory / name) for name in (RECIPE, TOKENIZER, LOCK))
        return cls(directory, recipe, tokenizer, lock, segments=manifest.segments)

    @property
    def finished(self) -> bool:
        """Whether the final weights are there."""
        return (self.directory / WEIGHTS).is_file()

    @property
    def step(self) -> int:
        """Updates that the newest checkpoint holds; 0 if there is none."""
        return max(self._checkpoints.steps(), default=0)

    @property
    def kept(self) -> list[int]:
        """The updates of which there are checkpoints, in rising order."""
        return self._checkpoints.steps()

    def is_good(self, step: int) -> bool:
        """Whether the checkpoint of an update is there, and undamaged."""
        return self._checkpoints.is_good(step)

    def place_of(self, step: int) -> Path:
        """The directory of the checkpoint of an update."""
        return self._checkpoints.place(step)

    @property
    def best(self) -> int | None:
        """The step of the checkpoint with the lowest validation loss; None if none was evaluated."""
        return self._checkpoints.best()

    @property
    def state(self) -> RunState:
        """`finished`, or why training has stopped, or `training` if nothing is known to have stopped it."""
        if self.finished:
            return "finished"
        try:
            state = read_json(self.directory / STATUS).get("state")
        except PartwiseError:
            return "training"
        return cast(RunState, state) if state in ("diverged", "interrupted") else "training"

    def mark(self, state: Literal["diverged", "interrupted"], message: str) -> None:
        """Notes why training stopped, until the next start. On a full disk the note is left out without an error,
        which would hide the reason itself."""
        with suppress(WorkError):
            write_json(self.directory / STATUS, {"state": state, "step": self.step, "message": message})

    def log(self, row: MetricsRow) -> None:
        """Appends a row to the metrics; `step`, the updates done, is in every row."""
        self._metrics.append(row)

    def rows(self) -> list[dict[str, Any]]:
        """Every row logged so far.

        Raises:
            WorkError: the file is damaged: changed at all, in a finished run; before that, with a line that is no row.
        """
        if self.finished:
            manifest = Manifest.read(self.directory)
            problem = manifest.damage(METRICS) if METRICS in manifest.files else None
            if problem:
                raise WorkError(f"{problem}; run the training command again, which repairs it where it can")
        return self._metrics.all()

    def save_checkpoint(
        self,
        step: int,
        model: nn.Module,
        optimizer: Optimizer,
        extra: Mapping[str, Any] = NOTHING,
        keep: int = 2,
        best: float | None = None,
    ) -> None:
        """Keeps all that training needs to continue after update `step`, and removes checkpoints no longer needed.

        Args:
            extra: JSON values of the trainer's own, which `load_checkpoint` gives back.
            keep: how many of the newest stay; with 2 there is one to fall back to, should the newest be damaged.
            best: the validation loss after this update, in nats, if it was evaluated: the checkpoint with the lowest
                stays too.

        Raises:
            WorkError: it could not be written; the checkpoints before are intact.
        """
        from .weights import model_tensors, optimizer_state

        self.write_checkpoint(step, model_tensors(model), optimizer_state(model, optimizer), extra, keep, best)

    def write_checkpoint(
        self,
        step: int,
        weights: Mapping[str, Tensor],
        optimizer: OptimizerState,
        extra: Mapping[str, Any] = NOTHING,
        keep: int = 2,
        best: float | None = None,
    ) -> None:
        """`save_checkpoint` for trainers that gather weights and optimizer state themselves (from several processes,
        say), as `weights.model_tensors` and `weights.optimizer_state` give them."""
        if self.has(step):
            return
        checkpoint = self._checkpoint(step, weights, optimizer, extra, best)
        try:
            self._checkpoints.save(checkpoint, max(keep, 1))
        except (OSError, WorkError) as error:
            raise self._not_saved(step, error) from error

    def has(self, step: int) -> bool:
        """Whether update `step` is saved already: training is deterministic, so it is this very checkpoint."""
        return self._checkpoints.place(step).exists() and self._checkpoints.is_good(step)

    def save_shares(
        self,
        step: int,
        weights: Mapping[str, Tensor],
        optimizer: OptimizerState,
        group: ProcessGroup,
        extra: Mapping[str, Any] = NOTHING,
        keep: int = 2,
        best: float | None = None,
    ) -> Saving:
        """`write_checkpoint` by several processes at once, each of which holds shares of the tensors (DTensors); they
        write the file that one process would. Training may go on meanwhile, as `Saving` says.

        Args:
            group: the processes, connected by gloo for this alone.
        """
        from .saving import write_in_shares

        checkpoint = self._checkpoint(step, weights, optimizer, extra, best)
        files = self._checkpoints.in_shares(checkpoint, max(keep, 1))
        return write_in_shares(files, group, lambda error: self._not_saved(step, error))

    def _checkpoint(
        self,
        step: int,
        weights: Mapping[str, Tensor],
        optimizer: OptimizerState,
        extra: Mapping[str, Any],
        best: float | None,
    ) -> Checkpoint:
        loss = float(best) if best is not None and math.isfinite(best) else None
        return Checkpoint(step, weights, optimizer, self._metrics.content(), dict(extra), loss)

    def _not_saved(self, step: int, error: Exception) -> WorkError:
        return WorkError(f"{_reason(self._checkpoints.place(step), error)}; {self._last_good(step)}")

    def read_verified(self, step: int) -> Checkpoint:
        """The checkpoint of an update, which another process has verified; its tensors are read when asked for.

        Raises:
            WorkError: it is not there, as where processes do not see the same disk.
        """
        place = self._checkpoints.place(step)
        try:
            return read_verified(place, step)
        except (OSError, PartwiseError) as error:
            raise WorkError(_reason(place, error)) from error

    def load_checkpoint(self, model: nn.Module, optimizer: Optimizer) -> ResumePoint:
        """Restores the newest good checkpoint and forgets the rows logged after it.

        Without a checkpoint, forgets all rows. `say` receives a line about each damaged one.

        Raises:
            WorkError: there are checkpoints but none is good, or they belong to another model; nothing was changed.
        """
        from .weights import fill_model, fill_optimizer

        def use(saved: Checkpoint) -> None:
            fill_model(model, saved.model, saved.source)
            fill_optimizer(model, optimizer, saved.optimizer, saved.source)

        return self.restore(use)

    def restore(self, use: Callable[[Checkpoint], None]) -> ResumePoint:
        """`load_checkpoint` for trainers that fill model and optimizer themselves, in `use`.

        `use` may raise a PartwiseError to refuse a checkpoint; the one before it is tried next.
        """
        saved, problems = self._checkpoints.restore(use)
        for problem in problems:
            self._say(problem)
        if saved is None:
            self._metrics.return_to(b"")
        else:
            if problems:
                self._say(f"continuing from the checkpoint of step {saved.step}")
            if not self._metrics.return_to(saved.metrics):
                self._say(f"{self._metrics.path} was damaged or missing; restored from the checkpoint of {saved.step}")
        (self.directory / STATUS).unlink(missing_ok=True)
        return ResumePoint(saved.step, saved.extra) if saved else ResumePoint()

    def finish(self, model: nn.Module) -> None:
        """Writes the final weights, which makes the run finished.

        Raises:
            WorkError: they could not be written.
        """
        from .weights import model_tensors

        self.finish_with(model_tensors(model))

    def finish_with(self, weights: Mapping[str, Tensor]) -> None:
        """`finish` for trainers that gather the weights themselves, as `weights.model_tensors` gives them."""
        self._metrics.flush()
        write_final(self.directory, weights)
        (self.directory / STATUS).unlink(missing_ok=True)

    def finish_with_shares(self, weights: Mapping[str, Tensor], group: ProcessGroup) -> None:
        """`finish_with` by several processes at once, each of which holds shares of the weights: see `save_shares`."""
        from .saving import write_in_shares

        self._metrics.flush()
        path = self.directory / WEIGHTS
        writing = write_in_shares(
            final_in_shares(self.directory, weights), group, lambda error: WorkError(_reason(path, error))
        )
        writing.finish()
        (self.directory / STATUS).unlink(missing_ok=True)

    def load_weights(self, model: nn.Module, best: bool = False) -> None:
        """Fills `model` with the final weights or, if the run is not finished, those of the newest good checkpoint.

        Args:
            best: those of the checkpoint with the lowest validation loss instead.

        Raises:
            WorkError: there are no such weights, or they are damaged or belong to another model.
        """
        from .weights import fill_model, read_tensors

        place = (best_weights if best else last_weights)(self.directory, self._checkpoints)
        try:
            fill_model(model, read_tensors(place / WEIGHTS), place / WEIGHTS)
        except PartwiseError as error:
            raise WorkError(f"{error}; {HOW_TO_RESTORE}") from error

    def _last_good(self, failed: int) -> str:
        good = self._checkpoints.newest_good(below=failed)
        return "there is no earlier checkpoint" if good is None else f"the checkpoint of step {good} is intact"


def _reason(place: Path, error: Exception) -> str:
    """Why something could not be read or written, in words."""
    return f"cannot write {place}: {error.strerror or error}" if isinstance(error, OSError) else str(error)


__all__ = ["METRICS", "Checkpoint", "ResumePoint", "Run", "RunState", "alone_in", "first_difference", "holder"]
