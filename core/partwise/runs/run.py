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

from . import finish as ending
from .checkpoint import Checkpoint
from .checkpoints import Checkpoints
from .create import begin, first_difference, identity
from .layout import LOCK, MANIFEST, METRICS, RECIPE, STATUS, TOKENIZER, WEIGHTS
from .manifest import Manifest
from .metrics import MetricsLog, MetricsRow
from .ownership import alone_in, holder

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from .weights import OptimizerState

RunState = Literal["finished", "training", "diverged", "interrupted"]
Say = Callable[[str], None]
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class ResumePoint:
    """Where training goes on."""

    step: int = 0
    """Updates done; 0 if there is no checkpoint."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What the trainer had saved of its own."""


class Run:
    """A run's directory; make one with `Run.create` or `Run.open`."""

    def __init__(
        self,
        directory: Path,
        recipe: dict[str, Any],
        tokenizer: dict[str, Any],
        lock: dict[str, Any],
        say: Say = lambda line: None,
    ) -> None:
        self.directory = directory
        self.recipe = recipe
        self.tokenizer = tokenizer
        self.lock = lock
        self._say = say
        self._metrics = MetricsLog(directory / METRICS)
        self._checkpoints = Checkpoints(directory, identity(recipe, lock))

    @classmethod
    def create(
        cls,
        directory: Path,
        recipe: dict[str, Any],
        tokenizer: dict[str, Any],
        lock: dict[str, Any],
        say: Say = lambda line: None,
    ) -> Run:
        """Starts a run, or takes up the one that `directory` holds if it is of the same recipe.

        Of a run taken up, the lock stays the one it was started with; one that has trained nothing yet is started
        anew, on whatever the data is now. What is damaged is mended where that loses nothing, and `say` told of it.

        Raises:
            InputError: the directory holds a run of another recipe, or files of something else.
            WorkError: it cannot be written, or is damaged beyond mending.
        """
        begin(directory, recipe, tokenizer, lock, say)
        run = cls.open(directory)
        run._say = say
        if run.finished:
            ending.mend(directory, run._checkpoints, say)
        return run

    @classmethod
    def open(cls, directory: Path) -> Run:
        """The run that `directory` holds.

        Raises:
            InputError: it holds none.
            WorkError: a file of it is damaged.
        """
        if not (directory / RECIPE).is_file() and not (directory / MANIFEST).is_file():
            raise InputError(f"{directory} holds no run: there is no {RECIPE} in it")
        try:
            Manifest.read(directory).verify((RECIPE, TOKENIZER, LOCK))
        except WorkError as error:
            raise WorkError(
                f"{error}; the command that trained the run mends what it can, or restore a copy"
            ) from error
        recipe, tokenizer, lock = (read_json(directory / name) for name in (RECIPE, TOKENIZER, LOCK))
        return cls(directory, recipe, tokenizer, lock)

    @property
    def finished(self) -> bool:
        """Whether the final weights are there."""
        return (self.directory / WEIGHTS).is_file()

    @property
    def step(self) -> int:
        """Updates that the newest checkpoint holds; 0 if there is none."""
        return max(self._checkpoints.steps(), default=0)

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
        """Notes why training stopped; the next start forgets it. On a full disk there is no note, and no error:
        what is being told of matters more."""
        with suppress(WorkError):
            write_json(self.directory / STATUS, {"state": state, "step": self.step, "message": message})

    def log(self, row: MetricsRow) -> None:
        """Appends a row to the metrics; `step`, the updates done, is in every row."""
        self._metrics.append(row)

    def rows(self) -> list[dict[str, Any]]:
        """Every row logged so far.

        Raises:
            WorkError: the file is damaged; of a finished run any change of it is seen, else what is no row.
        """
        if self.finished:
            manifest = Manifest.read(self.directory)
            problem = manifest.damage(METRICS) if METRICS in manifest.files else None
            if problem:
                raise WorkError(f"{problem}; the command that trained the run mends it, if it still can")
        return self._metrics.all()

    def save_checkpoint(
        self,
        step: int,
        model: nn.Module | Mapping[str, Tensor],
        optimizer: Optimizer | OptimizerState,
        extra: Mapping[str, Any] = NOTHING,
        keep: int = 2,
        best: float | None = None,
    ) -> None:
        """Keeps all that training needs to continue after update `step`, and removes checkpoints no longer needed.

        Args:
            model: or its tensors by name, as `weights.model_tensors` gives them: what several processes have gathered.
            optimizer: or its state, as `weights.optimizer_state` gives it. (Not as tensors if the model is a module.)
            extra: JSON values of the trainer that `load_checkpoint` gives back.
            keep: how many of the newest stay; with 2 there is one to fall back to, should the newest be damaged.
            best: the validation loss after this update, in nats, if it was evaluated: the checkpoint with the lowest
                stays too.

        Raises:
            WorkError: it could not be written; the checkpoints before are intact.
        """
        place = self._checkpoints.place(step)
        if place.exists() and self._checkpoints.is_good(step):
            return  # training is deterministic: it is this very checkpoint
        loss = float(best) if best is not None and math.isfinite(best) else None
        try:
            weights, state = _as_tensors(model, optimizer)
            self._checkpoints.save(
                Checkpoint(step, weights, state, self._metrics.content(), dict(extra), loss), max(keep, 1)
            )
        except (OSError, WorkError) as error:
            reason = str(error) if isinstance(error, WorkError) else f"cannot write {place}: {error.strerror or error}"
            raise WorkError(f"{reason}; {self._last_good(step)}") from error

    def load_checkpoint(self, model: nn.Module, optimizer: Optimizer) -> ResumePoint:
        """Restores the newest good checkpoint and forgets the rows logged after it.

        Without any, forgets all rows. Of those that are damaged, `say` is told.

        Raises:
            WorkError: there are checkpoints and none is good, or they are another model's; nothing was changed.
        """
        from .weights import fill_model, fill_optimizer

        def use(saved: Checkpoint) -> None:
            fill_model(model, saved.model, saved.source)
            fill_optimizer(model, optimizer, saved.optimizer, saved.source)

        return self.restore(use)

    def restore(self, use: Callable[[Checkpoint], None]) -> ResumePoint:
        """`load_checkpoint` for those who fill model and optimizer in a way of their own, `use`.

        `use` raises a PartwiseError to refuse a checkpoint; the one before is then tried.
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

    def finish(self, model: nn.Module | Mapping[str, Tensor]) -> None:
        """Writes the final weights, which makes the run finished.

        Raises:
            WorkError: they could not be written.
        """
        from .weights import model_tensors

        self._metrics.flush()
        ending.finish(self.directory, model if isinstance(model, Mapping) else model_tensors(model))
        (self.directory / STATUS).unlink(missing_ok=True)

    def load_weights(self, model: nn.Module, best: bool = False) -> None:
        """Fills `model` with the final weights; with those of the newest good checkpoint if the run is not finished.

        Args:
            best: those of the checkpoint with the lowest validation loss instead.

        Raises:
            WorkError: there are none such, or they are damaged or another model's.
        """
        from .weights import fill_model, read_tensors

        place = (ending.best_weights if best else ending.last_weights)(self.directory, self._checkpoints)
        try:
            fill_model(model, read_tensors(place / WEIGHTS), place / WEIGHTS)
        except PartwiseError as error:
            raise WorkError(f"{error}; {ending.HAVE_THEM_AGAIN}") from error

    def _last_good(self, failed: int) -> str:
        good = self._checkpoints.newest_good(below=failed)
        return "there is no earlier checkpoint" if good is None else f"the checkpoint of step {good} is intact"


def _as_tensors(
    model: nn.Module | Mapping[str, Tensor], optimizer: Optimizer | OptimizerState
) -> tuple[Mapping[str, Tensor], OptimizerState]:
    from .weights import OptimizerState, model_tensors, optimizer_state

    if isinstance(optimizer, OptimizerState):
        return model if isinstance(model, Mapping) else model_tensors(model), optimizer
    if isinstance(model, Mapping):
        raise TypeError("an optimizer's state is named by its model: give both as tensors, or neither")
    return model_tensors(model), optimizer_state(model, optimizer)


__all__ = ["METRICS", "Checkpoint", "ResumePoint", "Run", "RunState", "alone_in", "first_difference", "holder"]
