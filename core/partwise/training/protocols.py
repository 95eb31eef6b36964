"""What trainers, schedules and trackers promise, and what a trainer receives. Imports no torch at run time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from partwise.modules.protocols import Model

from .decoration import Decoration

if TYPE_CHECKING:
    import torch
    from torch import nn

    from partwise.data.batches import Batches
    from partwise.runs.run import Run


class Schedule(Protocol):
    """The learning rate at a step, as a factor of the optimizer's own."""

    def __call__(self, step: int) -> float:
        """Factor for update `step`, counted from 0."""
        ...


@dataclass(frozen=True)
class Progress:
    """What a trainer reports after every update."""

    step: int
    """Updates done."""
    steps: int
    """Updates in all."""
    metrics: Mapping[str, float | int | str | None]
    """Figures of this moment; `partwise.metric_names` says which there are after an update, and after an evaluation."""


class Evaluations(Protocol):
    """What else a recipe judges its model by while it is trained and after that."""

    def due(self, step: int, last: bool) -> bool:
        """Whether any of them is to run after update `step`, which may be the `last`."""
        ...

    def figures(self, step: int, last: bool) -> Mapping[str, float]:
        """The figures of those that are due, by name; to be logged with the others of this update.

        Every process calls it, with the model as it is evaluated. Random state and mode of the model stay what they
        are, and no failure of an evaluation ends the training.
        """
        ...


class NoEvaluations:
    """A recipe has none."""

    def due(self, step: int, last: bool) -> bool:
        return False

    def figures(self, step: int, last: bool) -> Mapping[str, float]:
        return {}


@dataclass(frozen=True)
class Training:
    """All that a trainer receives."""

    model: Model
    batches: Batches
    run: Run
    """Where checkpoints and metrics are kept, also those of the same run before it was interrupted."""
    seed: int
    device: torch.device
    report: Callable[[Progress], None]
    """To be called after every update; it is cheap."""
    flops_per_token: Callable[[], float | None] | None = None
    """Counts the FLOPs of the forward pass, as `inspect` does, which takes a second; None if they cannot be counted."""
    decoration: Decoration = field(default_factory=Decoration)
    """Calls what is only reported, so that it cannot end the training: a failure is told in one line, once."""
    evaluations: Evaluations = field(default_factory=NoEvaluations)
    """To be asked after every update, and run where they are due."""
    until: int | None = None
    """Updates after which it stops as it does when interrupted, with a checkpoint, to be continued or not; None: at its
    end. The schedule is that of the whole training, so that a run that is continued is one that never stopped."""
    first_weights: Callable[[nn.Module], None] | None = None
    """Given if the model has no memory, because no process is to hold all of it: gives a submodule of it the weights
    that it begins with, on the CPU, so that it can be shared out before the next is filled. What has memory already is
    left as it is; called with the model itself in the end, it fills what remains."""


class Trainer(Protocol):
    """Trains a model. After each update of the weights it calls `after_update` of the modules that have it (see
    `partwise.modules.Updated`), and runs what is due of `training.evaluations`."""

    def fit(self, training: Training) -> None:
        """Trains to the end, from wherever `training.run` stands."""
        ...


class Tracker(Protocol):
    """Follows one run. If it raises, the error is reported, it is not called again, and training goes on."""

    def begin(self, run: Run, step: int) -> None:
        """A run begins, or continues after update `step`; the tracker may have followed its earlier part."""
        ...

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """The figures of an update that are numbers."""
        ...

    def end(self, state: Literal["finished", "interrupted", "failed"]) -> None:
        """The training is over; no other call follows."""
        ...
