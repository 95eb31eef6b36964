"""The standard trainer: minibatches, one optimizer, and a checkpoint from which training goes on bit by bit.

standard.py     the loop: updates, evaluations, checkpoints, and how it ends
updates.py      one update
precision.py    its numbers
parallel.py     how one process or several hold the model
checkpoints.py  what they keep
telemetry.py    how fast it goes
divergence.py   what to say if it goes wrong
memory.py       or does not fit
interrupt.py    Ctrl-C
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, cast

import torch
from torch import nn
from torch.optim import Optimizer

from partwise import PartError, WorkError
from partwise.training import Processes, Progress, Schedule, Training, evaluate, processes

from . import checkpoints, divergence, memory
from .interrupt import postponed_interrupt
from .parallel import Compiler, Parallel, held
from .precision import Name, precision
from .telemetry import Speed
from .updates import Update, Updates, own_random_state

Figures = dict[str, float | None]


@dataclass(frozen=True)
class StandardTrainer:
    """Trains by the settings of the part `standard`, whose docstrings explain them."""

    make_optimizer: Callable[[nn.Module], Optimizer]
    schedule: Schedule
    steps: int
    batch_size: int
    accumulate: int = 1
    clip: float | None = None
    precision: Name = "float32"
    compile: Compiler | None = None
    parallel: Literal["ddp", "fsdp"] = "ddp"
    evaluate_every: int | None = None
    evaluate_batches: int | None = None
    checkpoint_every: int | None = None
    keep_checkpoints: int = 2

    def fit(self, training: Training) -> None:
        """Trains to the end, from wherever `training.run` stands; an interrupt (Ctrl-C) first saves a checkpoint.

        Raises:
            PartError: this machine, or this many processes, cannot train by these settings.
            WorkError: the loss or the gradient is no longer finite, the memory does not suffice, or the run cannot
                be written.
            KeyboardInterrupt: after the update during which it came.
        """
        together = processes()
        numbers = precision(self.precision, training.device)
        self._refuse(together)
        if together.from_first(training.run.finished if together.first else False):
            training.run.load_weights(cast(nn.Module, training.model))
            return
        model = held(training.model, self.make_optimizer, self.compile, self.parallel, together, training.device)
        rates = [group["lr"] for group in model.optimizer.param_groups]
        done, extra = checkpoints.restore(training.run, model, together)
        numbers.restore(extra.get("scaler", {}))
        updates = Updates(
            training, model, numbers, together, self.schedule, rates, self.batch_size, self.accumulate, self.clip
        )
        place = training.run.directory if together.first else None
        speed = Speed(place, training.flops_per_token, training.device, self.precision, together.count)
        _Loop(self, training, model, updates, speed, together).run(done)

    def _refuse(self, together: Processes) -> None:
        """
        Raises:
            PartError: the settings do not suit so many processes.
        """
        if self.batch_size % together.count:
            fitting = together.count * max(1, round(self.batch_size / together.count))
            raise PartError(
                f"batch_size {self.batch_size} cannot be shared evenly by {together.count} processes; "
                f"use {fitting}, or as many processes as divide it",
                ("batch_size",),
            )
        if together.count > 1 and self.parallel == "fsdp" and self.precision == "float16":
            raise PartError('sharded training has no scaling for float16; use "bfloat16"', ("precision",))


@dataclass(frozen=True)
class _Loop:
    """One training, from some step to its end."""

    settings: StandardTrainer
    training: Training
    model: Parallel
    updates: Updates
    speed: Speed
    together: Processes

    def run(self, done: int) -> None:
        settings = self.settings
        if done == 0:
            self._log(0, self._evaluated())
        self.training.model.train()
        with own_random_state(self.training.device), postponed_interrupt() as interrupted:
            while done < settings.steps:
                begun = perf_counter()
                update = self._update(done)
                speed = self.speed.update(update.tokens, perf_counter() - begun, update.waited)
                done += 1
                figures: Figures = {**update.figures}
                if done == settings.steps or _due(done, settings.evaluate_every):
                    figures |= self._evaluated()
                    if not math.isfinite(figures["valid_loss"] or 0.0):
                        raise self._diverged(done, "validation loss", figures["valid_loss"], update, self._evaluated)
                self._log(done, figures)
                # What one process is told, all heed.
                stop = self.together.total(int(interrupted())) > 0
                if stop or done == settings.steps or _due(done, settings.checkpoint_every):
                    self._save(done, figures.get("valid_loss"))
                if self.together.first:
                    self.speed.log(done, last=stop or done == settings.steps)
                    self.training.report(Progress(done, settings.steps, {**figures, **speed}))
                if stop and done < settings.steps:
                    self._mark("interrupted", f"interrupted after step {done}")
                    raise KeyboardInterrupt
        weights, _ = self.model.whole()
        if self.together.first:
            self.training.run.finish_with(weights)

    def _update(self, step: int) -> Update:
        """
        Raises:
            WorkError: loss or gradient are not finite, or the memory does not suffice.
        """
        try:
            update = self.updates.make(step)
        except (RuntimeError, MemoryError) as error:
            if not memory.ran_out(error):
                raise
            reason = str(error).strip().partition("\n")[0]
        else:
            if not update.sound:
                raise self._diverged(step + 1, "loss", update.loss, update, lambda: self._again(step))
            return update
        # Out of the `except`, whose traceback holds on to the memory of the pass that failed.
        raise self._out_of_memory(step, reason)

    def _evaluated(self) -> Figures:
        training, settings = self.training, self.settings
        answers = training.batches.encoded["valid"].form == "examples"
        metrics = evaluate(
            training.model, training.batches, "valid", settings.batch_size, settings.evaluate_batches,
            training.device, self.model.plain_loss, accuracy=answers,
        )  # fmt: skip
        figures: Figures = {
            "valid_loss": metrics.loss,
            "valid_perplexity": metrics.perplexity,
            "valid_bits_per_byte": metrics.bits_per_byte,
        }
        return figures | {"valid_accuracy": metrics.accuracy} if answers else figures

    def _save(self, done: int, valid_loss: float | None) -> None:
        begun = perf_counter()
        extra = {"scaler": state} if (state := self.updates.precision.state()) else {}
        checkpoints.save(
            self.training.run, self.model, self.together, done, extra, self.settings.keep_checkpoints, valid_loss
        )
        self.speed.saved(perf_counter() - begun)

    def _log(self, step: int, figures: Figures) -> None:
        if self.together.first:
            self.training.run.log({"step": step, **figures})

    def _mark(self, state: Literal["diverged", "interrupted"], message: str) -> None:
        if self.together.first:
            self.training.run.mark(state, message)

    def _again(self, step: int) -> None:
        """The forward passes of an update, once more."""
        self.updates.seed(step)
        for batch in self.updates.batches(step):
            with self.updates.precision.cast(), torch.no_grad():
                self.model.plain_loss(batch.to(self.training.device))

    def _diverged(
        self, step: int, what: str, value: float | None, update: Update, compute: Callable[[], object]
    ) -> WorkError:
        """The error for a loss or gradient that is no longer finite, with whose fault it is and what may help."""
        run, settings = self.training.run, self.settings
        culprits = self.together.of_each(divergence.first_not_finite(cast(nn.Module, self.training.model), compute))
        culprit = next((one for one in culprits if one is not None), None)
        last = run.step if self.together.first else 0
        kept = f"the checkpoint of step {last} is kept" if last else "there was no checkpoint yet"
        message = (
            f"training diverged at step {step}: {what} {value:g}, gradient norm {update.grad_norm:g}, "
            f"learning rate {update.lr:g}; {divergence.in_words(culprit, run.recipe.get('model', {}))}; "
            "try a smaller optimizer.lr, a longer warm-up in the schedule, "
            + ("a `clip` such as 1.0" if settings.clip is None else f"a `clip` below {settings.clip:g}")
            + (" or precision float32" if settings.precision != "float32" else "")
            + f" ({kept})"
        )
        self._mark("diverged", message)
        return WorkError(message)

    def _out_of_memory(self, step: int, reason: str) -> WorkError:
        settings, count = self.settings, self.together.count
        told = f"out of memory in step {step + 1}, with batch_size {settings.batch_size}"
        if count > 1:  # to try what fits would take all processes
            rows, figures = settings.batch_size // count // 2, ""
        else:
            batch = self.updates.batches(step)[0].to(self.training.device)
            model = cast(nn.Module, self.training.model)
            rows, figures = memory.largest_that_fits(self.model.plain_loss, batch, model, self.model.optimizer)
        told += f" ({figures})" if figures else ""
        if not rows:
            return WorkError(f"{told}; take a shorter context or a narrower model: {reason}")
        times = settings.batch_size // count // rows * settings.accumulate
        return WorkError(
            f"{told}; trainer.batch_size {rows * count} with trainer.accumulate {times} makes the same updates and "
            f"should fit: {reason}"
        )


def _due(done: int, every: int | None) -> bool:
    return every is not None and done % every == 0


__all__ = ["StandardTrainer"]
