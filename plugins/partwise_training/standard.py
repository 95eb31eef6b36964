"""The standard trainer: minibatches, one optimizer, and checkpoints from which training continues to the same bits.

parts/trainer.py  its settings, which are the knobs of its part
standard.py     the loop: updates, evaluations, checkpoints, and how training ends
updates.py      one update
precision.py    the type of matrix products in an update
parallel.py     how one process or several hold the model
checkpoints.py  saving and restoring, by one process or several
telemetry.py    how fast training goes
divergence.py   where a loss that is no longer finite came from
memory.py       how many rows would fit when memory runs out
interrupt.py    Ctrl-C and SIGTERM
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import nn

from partwise import WorkError
from partwise.machine import cpu_threads
from partwise.metric_names import EPOCHS, VALID_ACCURACY, VALID_BITS_PER_BYTE, VALID_LOSS, VALID_PERPLEXITY
from partwise.training import Processes, Progress, Schedule, Training, current_processes, evaluate

from . import checkpoints, divergence, memory
from .interrupt import postponed_interrupt
from .parallel import Parallel, held
from .precision import Precision
from .telemetry import Speed
from .updates import Update, Updates, own_random_state

if TYPE_CHECKING:
    from .parts.trainer import Standard

Figures = dict[str, float | None]
ORIGIN = "the search for where the loss went wrong"


@dataclass(frozen=True)
class StandardTrainer:
    """Trains by its settings."""

    settings: Standard
    schedule: Schedule

    def fit(self, training: Training) -> None:
        """Trains to the end, from wherever `training.run` stands; Ctrl-C and SIGTERM first save a checkpoint.

        Raises:
            PartError: this machine, or this many processes, cannot train by these settings.
            WorkError: the loss or the gradient is no longer finite, there is too little memory, or the run cannot be
                written.
            KeyboardInterrupt: after the update during which it came, or after which the training is to stop.
        """
        settings, processes = self.settings, current_processes()
        settings.runs_on(training.device.type, processes.count)
        numbers = Precision(settings.precision, training.device)
        if processes.from_first(training.run.finished if processes.first else False):
            if training.first_weights is None:  # of a model that nobody holds whole, nobody can be given it
                training.run.load_weights(cast(nn.Module, training.model))
            return
        model = held(training, settings, processes)
        rates = [group["lr"] for group in model.optimizer.param_groups]
        done, extra = checkpoints.restore(training.run, model, processes)
        numbers.restore(extra.get("scaler", {}))
        updates = Updates(training, model, numbers, processes, self.schedule, rates, settings)
        place = training.run.directory if processes.first else None
        speed = Speed(
            place, training.flops_per_token, training.device, settings.precision, processes.count, training.decoration
        )
        with cpu_threads(settings.threads):
            _Loop(settings, training, model, updates, speed, processes).run(done)


@dataclass(frozen=True)
class _Loop:
    """One training, from the step it has reached to its end."""

    settings: Standard
    training: Training
    model: Parallel
    updates: Updates
    speed: Speed
    processes: Processes

    def run(self, done: int) -> None:
        settings = self.settings
        if done == 0:
            self._log(0, self._evaluated(0))
        self.training.model.train()
        with own_random_state(self.training.device), postponed_interrupt() as interrupted:
            while done < settings.steps:
                checkpoints.look_after(self.model)
                begun = perf_counter()
                update = self._update(done)
                speed = self.speed.update(update.tokens, perf_counter() - begun, update.waited)
                done += 1
                figures: Figures = {**update.figures}
                if done == settings.steps or _due(done, settings.evaluate_every):
                    figures |= self._evaluated(done)
                    if not math.isfinite(figures[VALID_LOSS] or 0.0):
                        raise self._diverged(
                            done, "validation loss", figures[VALID_LOSS], update, partial(self._evaluated, done)
                        )
                figures |= self._judged(done)
                self._log(done, figures)
                # An interrupt of one process stops them all.
                stop = self.processes.total(int(interrupted())) > 0 or done == self.training.until
                if stop or done == settings.steps or _due(done, settings.checkpoint_every):
                    self._save(done, figures.get(VALID_LOSS))
                if self.processes.first:
                    self.speed.log(done, last=stop or done == settings.steps)
                    self.training.report(Progress(done, settings.steps, {**figures, **speed}))
                if stop and done < settings.steps:
                    checkpoints.settle(self.model)
                    self._mark("interrupted", f"interrupted after step {done}")
                    raise KeyboardInterrupt
        checkpoints.finish(self.training.run, self.model, self.processes)

    def _update(self, step: int) -> Update:
        """
        Raises:
            WorkError: the loss or the gradient is not finite, or there is too little memory.
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
        # Not within the `except`: its traceback would keep the memory of the failed pass.
        raise self._out_of_memory(step, reason)

    def _evaluated(self, done: int) -> Figures:
        training, settings = self.training, self.settings
        answers = training.batches.encoded["valid"].form == "examples"
        with self.model.evaluating():
            metrics = evaluate(
                training.model, training.batches, "valid", settings.batch_size, settings.evaluate_batches,
                training.device, self.model.plain_loss, accuracy=answers,
            )  # fmt: skip
        figures: Figures = {
            VALID_LOSS: metrics.loss,
            VALID_PERPLEXITY: metrics.perplexity,
            VALID_BITS_PER_BYTE: metrics.bits_per_byte,
            **metrics.figures(),
        }
        seen = training.batches.epochs(done * settings.batch_size * settings.accumulate)
        figures |= {f"{EPOCHS}{name}": epochs for name, epochs in seen.items()}
        return figures | {VALID_ACCURACY: metrics.accuracy} if answers else figures

    def _judged(self, done: int) -> Figures:
        """The figures of the recipe's evaluations that are due."""
        evaluations, last = self.training.evaluations, done == self.settings.steps
        if not evaluations.due(done, last):
            return {}
        with self.model.whole_passes():
            return {**evaluations.figures(done, last)}

    def _save(self, done: int, valid_loss: float | None) -> None:
        begun = perf_counter()
        extra = {"scaler": state} if (state := self.updates.precision.state()) else {}
        checkpoints.save(
            self.training.run, self.model, self.processes, done, extra, self.settings.keep_checkpoints, valid_loss
        )
        self.speed.saved(perf_counter() - begun)

    def _log(self, step: int, figures: Figures) -> None:
        if self.processes.first:
            self.training.run.log({"step": step, **figures})

    def _mark(self, state: Literal["diverged", "interrupted"], message: str) -> None:
        if self.processes.first:
            self.training.run.mark(state, message)

    def _again(self, step: int) -> None:
        """Repeats the forward passes of an update."""
        self.updates.seed(step)
        for batch in self.updates.batches(step):
            with self.updates.precision.cast(), torch.no_grad():
                self.model.plain_loss(batch.to(self.training.device))

    def _diverged(
        self, step: int, what: str, value: float | None, update: Update, compute: Callable[[], object]
    ) -> WorkError:
        """The error for a loss or gradient that is no longer finite: which module it began in, and what may help."""
        run, settings = self.training.run, self.settings
        checkpoints.settle(self.model)
        module = cast(nn.Module, self.training.model)
        search = partial(divergence.first_not_finite, module, compute)
        culprits = self.processes.from_each(self.training.decoration(ORIGIN, search))
        culprit = next((one for one in culprits if one is not None), None)
        unknown = culprit is None and self.training.decoration.failed(ORIGIN)
        arose = "where it arose is not known" if unknown else divergence.in_words(culprit, run.recipe.get("model", {}))
        last = run.step if self.processes.first else 0
        kept = f"the checkpoint of step {last} is kept" if last else "there was no checkpoint yet"
        message = (
            f"training diverged at step {step}: {what} {value:g}, gradient norm {update.grad_norm:g}, "
            f"learning rate {update.lr:g}; {arose}; "
            "try a smaller optimizer.lr, a longer warm-up in the schedule, "
            + ("a `clip` such as 1.0" if settings.clip is None else f"a `clip` below {settings.clip:g}")
            + (" or precision float32" if settings.precision != "float32" else "")
            + f" ({kept})"
        )
        self._mark("diverged", message)
        return WorkError(message)

    def _out_of_memory(self, step: int, reason: str) -> WorkError:
        settings, count = self.settings, self.processes.count
        told = f"out of memory in step {step + 1}, with batch_size {settings.batch_size}"
        if count > 1:  # all processes would have to try together
            rows, figures = settings.batch_size // count // 2, ""
        else:
            batch = self.updates.batches(step)[0].to(self.training.device)
            model = cast(nn.Module, self.training.model)
            fitting = partial(memory.largest_that_fits, self.model.plain_loss, batch, model, self.model.optimizer)
            rows, figures = self.training.decoration("the search for a batch size that fits", fitting) or (0, "")
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
