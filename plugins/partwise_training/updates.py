"""Updates of the weights, one after the other.

What an update does depends on (seed, step), the weights and the optimizer's state alone: batches are addressed by
them, and torch's random state, which dropout draws from, is set from them. So a checkpoint needs no random state,
and an interrupted run ends with the same bits as one that was not.

The rows of a step are one endless sequence: a micro-batch takes the next rows of it, and several processes share
these between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from partwise.assembly import seed_for
from partwise.data import Batch
from partwise.metric_names import GRAD_NORM, LOSS, LR
from partwise.training import Processes, Schedule, Training

from .parallel import Parallel
from .precision import Precision

if TYPE_CHECKING:
    from .parts.trainer import Standard


@dataclass(frozen=True)
class Update:
    """The outcome of an update."""

    loss: float
    """Nats per scored token, before it."""
    lr: float
    grad_norm: float
    tokens: int
    """Scored tokens, in all processes."""
    waited: float
    """Seconds spent waiting for its batches."""
    sound: bool
    """Whether loss and gradient are finite; if not, nothing was changed."""

    @property
    def figures(self) -> dict[str, float]:
        return {LOSS: self.loss, LR: self.lr, GRAD_NORM: self.grad_norm}


@dataclass(frozen=True)
class Updates:
    """Makes the updates of one training."""

    training: Training
    parallel: Parallel
    precision: Precision
    processes: Processes
    schedule: Schedule
    rates: list[float]
    """The optimizer's own learning rates, before the schedule (and before a checkpoint, which holds scaled ones)."""
    settings: Standard

    def make(self, step: int) -> Update:
        """Update number `step`, counted from 0."""
        optimizer = self.parallel.optimizer
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.schedule(step)
        self.seed(step)
        begun = perf_counter()
        micros = self.batches(step)
        waited = perf_counter() - begun
        tokens = self.processes.total(sum(int(batch.scored) for batch in micros))
        total = self.backward(micros, tokens)
        self.precision.unscale(optimizer)
        parameters = [weight for group in optimizer.param_groups for weight in group["params"]]
        norm_of_all = _whole(get_total_norm([weight.grad for weight in parameters if weight.grad is not None]))
        # The only wait for the device in an update, before the weights change, so that they stay finite.
        loss, norm = torch.stack((total, norm_of_all.float())).tolist()
        lr = optimizer.param_groups[0]["lr"]
        if not math.isfinite(loss) or not (math.isfinite(norm) or self.precision.forgives()):
            return Update(loss, lr, norm, tokens, waited, sound=False)
        longest = self.settings.clip
        if longest is not None and longest < norm < math.inf:
            clip_grads_with_norm_(parameters, longest, torch.tensor(norm))
        self.precision.step(optimizer)
        optimizer.zero_grad()
        return Update(loss, lr, norm, tokens, waited, sound=True)

    def seed(self, step: int) -> None:
        """Seeds the random state for an update; each process has a stream of its own."""
        stream = ("process", self.processes.rank) if self.processes.rank else ()
        _seed(self.training.device, seed_for(self.training.seed, "step", step, *stream))

    def batches(self, step: int) -> list[Batch]:
        """This process's share of the update's batches."""
        rank, count = self.processes.rank, self.processes.count
        rows, seed = self.settings.batch_size // count, self.training.seed
        micros = range(self.settings.accumulate)
        return [self.training.batches.train(step, rows, seed, micro * count + rank) for micro in micros]

    def backward(self, micros: list[Batch], tokens: int) -> Tensor:
        """Adds the gradients of the mean loss over all `tokens` scored in the update; returns that loss."""
        # Divided by the tokens of the whole update, so that rows weigh the same whichever batch they are in. DDP gives
        # several processes the mean of their gradients, where the sum is wanted.
        share = self.processes.count / max(tokens, 1)
        total = torch.zeros((), device=self.training.device)
        for index, batch in enumerate(micros):
            last = index == len(micros) - 1
            with nullcontext() if last else self.parallel.accumulating():
                with self.precision.cast():
                    loss = self.parallel.loss(batch.to(self.training.device)).float() * share
                self.precision.backward(loss)
            total += loss.detach()
        return self.processes.sum(total) / self.processes.count


def _whole(norm: Tensor) -> Tensor:
    """The norm of gradients that are sharded, in every process."""
    full_tensor = getattr(norm, "full_tensor", None)
    whole: Tensor = norm if full_tensor is None else full_tensor()
    return whole


def _seed(device: torch.device, seed: int) -> None:
    """Seeds what draws on `device`, and on the CPU; `torch.manual_seed` takes 75 microseconds to reach all others."""
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


@contextmanager
def own_random_state(device: torch.device) -> Iterator[None]:
    """Restores the caller's random state after the block."""
    if device.type == "cpu":
        with torch.random.fork_rng([]):
            yield
    else:
        with torch.random.fork_rng([device], device_type=device.type):
            yield
