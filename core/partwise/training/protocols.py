"""What trainers, schedules and trackers promise, and what a trainer is given. Imports no torch at run time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from partwise.modules.protocols import Model

if TYPE_CHECKING:
    import torch

    from partwise.data.batches import Batches
    from partwise.runs.run import Run


class Schedule(Protocol):
    """The learning rate at a step, as a factor of the optimizer's own."""

    def __call__(self, step: int) -> float:
        """Factor for update `step`, counted from 0."""
        ...


@dataclass(frozen=True)
class Progress:
    """What a trainer reports as it goes."""

    step: int
    """Updates done."""
    steps: int
    """Updates in all."""
    metrics: Mapping[str, float | int | str | None]
    """Figures of this moment: always `loss` (nats per token, on the step's batch), `lr`, `grad_norm`,
    `tokens_per_second`; after an evaluation also `valid_loss`, `valid_perplexity`, `valid_bits_per_byte`, and
    `valid_accuracy` if the data are examples; where they are known `flops_utilisation` (share of what the machine can
    do at best), `data_wait` (share of the step spent waiting for batches) and `peak_memory` (bytes)."""


@dataclass(frozen=True)
class Training:
    """All that a trainer is given."""

    model: Model
    batches: Batches
    run: Run
    """Where checkpoints and metrics are kept; holds what an interrupted run had reached."""
    seed: int
    device: torch.device
    report: Callable[[Progress], None]
    """To be called after every step; cheap."""
    flops_per_token: Callable[[], float] | None = None
    """Counts those of the forward pass, as `inspect` does, which takes a second; None if nobody can."""


class Trainer(Protocol):
    """Trains a model."""

    def fit(self, training: Training) -> None:
        """Trains to the end, from wherever `training.run` stands."""
        ...


class Tracker(Protocol):
    """Told of one run. What it raises ends no training: it is reported once, and the tracker left alone."""

    def begin(self, run: Run, step: int) -> None:
        """A run begins, or is continued after update `step`; it may be one this tracker was told of before."""
        ...

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """The figures of an update that are numbers."""
        ...

    def end(self, state: Literal["finished", "interrupted", "failed"]) -> None:
        """Nothing more will be told."""
        ...
