"""The standard trainer: minibatches, one optimizer, and a checkpoint from which training goes on bit by bit.

What an update does depends on (seed, step) and the weights alone: batches are addressed by them, and torch's
random state, which dropout draws from, is set from them. So a checkpoint needs no random state, and an
interrupted run ends with the same bits as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, cast

import torch
from torch import nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from partwise import WorkError
from partwise.assembly import seed_for
from partwise.evaluation import evaluate
from partwise.interfaces import Progress, Schedule, Training

from .interrupt import postponed_interrupt


@dataclass(frozen=True)
class StandardTrainer:
    """Trains by the settings of the part `standard`, whose docstrings explain them."""

    make_optimizer: Callable[[nn.Module], Optimizer]
    schedule: Schedule
    steps: int
    batch_size: int
    accumulate: int = 1
    clip: float | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    evaluate_every: int | None = None
    evaluate_batches: int | None = None
    checkpoint_every: int | None = None

    def fit(self, training: Training) -> None:
        """Trains to the end, from wherever `training.run` stands; an interrupt (Ctrl-C) first saves a checkpoint.

        Raises:
            WorkError: the loss or the gradient is no longer finite, or the run cannot be written.
            KeyboardInterrupt: after the update during which it came.
        """
        run, model = training.run, cast(nn.Module, training.model)
        if run.finished:
            run.load_weights(model)
            return
        optimizer = self.make_optimizer(model)
        updates = _Updates(self, training, optimizer)
        done = run.load_checkpoint(model, optimizer)
        if done == 0:
            run.log({"step": 0, **self._evaluate(training)})
        model.train()
        with _own_random_state(training.device), postponed_interrupt() as interrupted:
            while done < self.steps:
                begun = perf_counter()
                figures, tokens = updates.make(done)
                speed = tokens / (perf_counter() - begun)
                done += 1
                if done == self.steps or _due(done, self.evaluate_every):
                    figures |= self._evaluate(training)
                    if not math.isfinite(figures["valid_loss"]):
                        raise updates.diverged(done, "validation loss", figures["valid_loss"], figures["grad_norm"])
                run.log({"step": done, **figures})
                stop = interrupted()
                if stop or done == self.steps or _due(done, self.checkpoint_every):
                    run.save_checkpoint(done, model, optimizer)
                training.report(Progress(done, self.steps, {**figures, "tokens_per_second": speed}))
                if stop and done < self.steps:
                    raise KeyboardInterrupt
        run.finish(model)

    def _evaluate(self, training: Training) -> dict[str, float | None]:
        metrics = evaluate(
            training.model, training.batches, "valid", self.batch_size, self.evaluate_batches, training.device
        )
        return {
            "valid_loss": metrics.loss,
            "valid_perplexity": metrics.perplexity,
            "valid_bits_per_byte": metrics.bits_per_byte,
        }


class _Updates:
    """Makes one update after the other."""

    def __init__(self, settings: StandardTrainer, training: Training, optimizer: Optimizer) -> None:
        self.settings = settings
        self.training = training
        self.optimizer = optimizer
        self.parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        # The optimizer's own rates, before the schedule (and before a checkpoint, which holds scaled ones).
        self.rates = [group["lr"] for group in optimizer.param_groups]

    def make(self, step: int) -> tuple[dict[str, Any], int]:
        """Update number `step`, counted from 0; returns its figures and how many tokens were scored."""
        factor = self.settings.schedule(step)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        _seed(self.training.device, seed_for(self.training.seed, "step", step))
        mean_loss, tokens = self._backward(step)
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        # The one wait for the device in an update; made before the weights change, so that they stay sound.
        loss, norm = torch.stack((mean_loss, get_total_norm(gradients).float())).tolist()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self.diverged(step + 1, "loss", loss, norm)
        if self.settings.clip is not None and norm > self.settings.clip:
            clip_grads_with_norm_(self.parameters, self.settings.clip, torch.tensor(norm))
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"loss": loss, "lr": self.optimizer.param_groups[0]["lr"], "grad_norm": norm}, tokens

    def _backward(self, step: int) -> tuple[torch.Tensor, int]:
        """Gradients of the mean loss over all scored tokens of the update; that loss, and their number."""
        settings, training = self.settings, self.training
        micros = [
            training.batches.train(step, settings.batch_size, training.seed, micro)
            for micro in range(settings.accumulate)
        ]
        tokens = sum(int(batch.scored) for batch in micros)
        total = torch.zeros((), device=training.device)
        for batch in micros:
            with self._precision():
                # Divided by the tokens of the whole update: rows weigh the same whichever batch they came in.
                loss = training.model.loss(batch.to(training.device)).float() / max(tokens, 1)
            loss.backward()
            total += loss.detach()
        return total, tokens

    def _precision(self) -> AbstractContextManager[Any]:
        if self.settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self.training.device.type, torch.bfloat16)

    def diverged(self, step: int, what: str, loss: float, norm: float) -> WorkError:
        """The error for a loss or gradient that is no longer finite, with what may help."""
        run = self.training.run
        kept = f"the checkpoint of step {run.step} is kept" if run.step else "there was no checkpoint yet"
        rate = self.optimizer.param_groups[0]["lr"]
        return WorkError(
            f"training diverged at step {step}: {what} {loss:g}, gradient norm {norm:g}, learning rate {rate:g}; "
            "try a smaller optimizer.lr, a longer warm-up in the schedule, "
            + ("a `clip` such as 1.0" if self.settings.clip is None else f"a `clip` below {self.settings.clip:g}")
            + (" or precision float32" if self.settings.precision != "float32" else "")
            + f" ({kept})"
        )


def _due(done: int, every: int | None) -> bool:
    return every is not None and done % every == 0


def _seed(device: torch.device, seed: int) -> None:
    """Seeds what draws on `device`, and on the CPU; `torch.manual_seed` takes 75 microseconds to reach all others."""
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


@contextmanager
def _own_random_state(device: torch.device) -> Iterator[None]:
    """Leaves the random state of the caller as it was."""
    if device.type == "cpu":
        with torch.random.fork_rng([]):
            yield
    else:
        with torch.random.fork_rng([device], device_type=device.type):
            yield
