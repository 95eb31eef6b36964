"""The built-in trainer: its knobs are the settings by which it trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import PositiveFloat, PositiveInt

from partwise import PartError, use
from partwise.parts import OptimizerSite, SchedulePart, ScheduleSite, TrainerPart, slots

from .optimizers import Sgd, Share
from .schedules import Constant, Continued, Piecewise

if TYPE_CHECKING:
    from torch import nn

    from partwise.training import Trainer


class Standard(TrainerPart):
    """Minibatch training with accumulation, clipping, mixed precision, evaluation and checkpoints."""

    name = "standard"
    in_updates = ("steps", "evaluate_every", "checkpoint_every")
    known_failures: ClassVar[Mapping[str, str]] = {
        "every_knob_makes_a_difference[parallel]": "a single process has nothing to share out",
        "every_knob_makes_a_difference[recompute]": "what is computed again is the same, to the bit",
        "every_knob_makes_a_difference[threads]": "sums so small are not shared out",
    }

    steps: PositiveInt = 600
    """Updates of the weights."""
    batch_size: PositiveInt = 16
    """Rows that are processed at once, by all processes together if there are several."""
    accumulate: PositiveInt = 1
    """Batches whose gradients make one update: as one batch of that many times the rows, in the memory of one."""
    optimizer: slots.Optimizer = use("adamw")
    """What updates the weights."""
    schedule: slots.Schedule = use("cosine")
    """How the learning rate changes."""
    average: Share | None = None
    """Share of a moving average of the weights that is kept at each update, 0.999 say. It is the averaged weights that
    are then evaluated, and kept at the end. null: there is no average."""
    clip: PositiveFloat | None = 1.0
    """Largest norm of the gradient of all weights together; a longer one is shortened to it. null: any."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Type of matrix products in training. Weights, their updates and evaluation are in float32 always. float16 is
    for GPUs without bfloat16; its loss is scaled."""
    compile: Literal["inductor", "eager"] | None = None
    """What compiles the model's loss. inductor: to kernels of its own, slow to begin, then faster, above all on a
    GPU. eager: to nothing but PyTorch's own calls, to see whether it can be compiled at all. null: nothing does."""
    recompute: PositiveInt | None = None
    """Activation checkpointing, which saves memory and costs time: 1, every layer keeps its input alone for the
    backward pass, and is computed again in it; 2, every second layer. No figure changes. null: no layer is."""
    threads: PositiveInt | None = None
    """CPU threads that train. How many there are decides in which order sums are added up, and with that their last
    bits: with a number here, two machines of one kind train the same weights. null: as many as there are cores, or as
    a study gives to each of its runs."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """What several processes (torchrun) hold: ddp, each the whole model; fsdp, each a share of every weight, so that
    together they have room for a model that fits into none."""
    evaluate_every: PositiveInt | None = 100
    """Updates between evaluations on the valid split. null: only before the first update and after the last."""
    evaluate_batches: PositiveInt | None = 20
    """Batches in an evaluation, the same ones each time. null: the whole split."""
    checkpoint_every: PositiveInt | None = 200
    """Updates between checkpoints. null: only when interrupted and at the end."""
    keep_checkpoints: PositiveInt = 2
    """Newest checkpoints that stay, besides that of the lowest validation loss: one to go on from, others to fall
    back to."""

    def suits(self, model: nn.Module) -> None:
        try:
            self.optimizer.assemble(OptimizerSite(model))
        except PartError as error:
            error.path = ("optimizer", *(error.path or ()))
            raise

    def runs_on(self, device: str, processes: int) -> None:
        if self.precision == "float16" and device == "cpu":
            raise PartError(
                'precision "float16" needs a GPU, and this training is on the CPU; '
                'use "bfloat16", which needs no scaling, or "float32"',
                ("precision",),
            )
        if self.batch_size % processes:
            fitting = processes * max(1, round(self.batch_size / processes))
            raise PartError(
                f"batch_size {self.batch_size} cannot be shared evenly by {processes} processes; "
                f"use {fitting}, or as many processes as divide it",
                ("batch_size",),
            )
        if processes > 1 and self.parallel == "fsdp" and self.precision == "float16":
            raise PartError('sharded training has no scaling for float16; use "bfloat16"', ("precision",))

    def shares_weights(self, processes: int) -> bool:
        return processes > 1 and self.parallel == "fsdp"

    def planned_updates(self) -> int:
        return self.steps

    def rows_per_update(self) -> int:
        return self.batch_size * self.accumulate

    def planned_evaluations(self) -> int:
        return 1 + (1 if self.evaluate_every is None else ceil(self.steps / self.evaluate_every))

    def with_evaluations_every(self, updates: int) -> Self:
        return self.model_copy(update={"evaluate_every": updates})

    def longer(self, updates: int, schedule: Literal["anew", "on"]) -> Self:
        lengths: tuple[int, ...] = ()
        schedules: tuple[SchedulePart, ...] = (self.schedule,)
        if isinstance(self.schedule, Piecewise):
            lengths, schedules = self.schedule.steps, self.schedule.schedules
        *earlier, last = schedules
        length = self.steps - sum(lengths)
        whole, before = (last.schedule, last.after) if isinstance(last, Continued) else (last, 0)
        following = whole if schedule == "anew" else Continued(after=before + length, schedule=whole)
        pieces = Piecewise(steps=(*lengths, length), schedules=(*earlier, last, following))
        return self.model_copy(update={"steps": self.steps + updates, "schedule": pieces})

    def build(self, site: None) -> Trainer:
        from partwise_training.standard import StandardTrainer

        return StandardTrainer(self, self.schedule.assemble(ScheduleSite(self.steps)))

    @classmethod
    def equals(cls) -> Iterable[tuple[Self, Self]]:
        whole = cls(steps=3, batch_size=4, optimizer=Sgd(lr=0.05), evaluate_batches=None)
        yield whole, whole.model_copy(update={"batch_size": 2, "accumulate": 2})
        yield whole, whole.model_copy(update={"recompute": 1})

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls(
            steps=4,
            batch_size=2,
            accumulate=2,
            average=0.5,
            parallel="fsdp",
            evaluate_every=2,
            evaluate_batches=1,
            checkpoint_every=2,
            keep_checkpoints=1,
        )
        yield cls(
            steps=3,
            batch_size=2,
            optimizer=Sgd(lr=0.05),
            schedule=Constant(),
            clip=None,
            precision="bfloat16",
            compile="eager",
            recompute=2,
            threads=1,
            evaluate_every=None,
            evaluate_batches=None,
            checkpoint_every=None,
        )
