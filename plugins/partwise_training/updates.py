"""Updates of the weights, one after the other.

What an update does depends on (seed, step), the weights and the optimizer's state alone: batches are addressed by
them, and torch's random state, which dropout draws from, is set from them. So a checkpoint needs no random state,
and an interrupted run ends with the same bits as one that was not.

The rows of a step are one endless sequence: a micro-batch takes the next rows of it, and several processes share
these between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from partwise.assembly import seed_for
from partwise.data import Batch
from partwise.metric_names import GRAD_NORM, LOSS, LR
from partwise.modules import Updated, objective_of
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
    others: Mapping[str, float]
    """Terms of the loss, and what modules reported, per scored token; rates of further groups of parameters."""

    @property
    def figures(self) -> dict[str, float]:
        return {LOSS: self.loss, LR: self.lr, GRAD_NORM: self.grad_norm, **self.others}


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
    told: list[Updated] = field(init=False)
    """The modules that are told of every update."""

    def __post_init__(self) -> None:
        modules = cast(nn.Module, self.training.model).modules()
        told = [cast(Updated, one) for one in modules if callable(getattr(one, "after_update", None))]
        object.__setattr__(self, "told", told)

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
        totals, names = self.backward(micros, tokens)
        self.precision.unscale(optimizer)
        parameters = [weight for group in optimizer.param_groups for weight in group["params"]]
        norm_of_all = _whole(get_total_norm([weight.grad for weight in parameters if weight.grad is not None]))
        # The only wait for the device in an update, before the weights change, so that they stay finite.
        norm, whole, *values = torch.cat((norm_of_all.float()[None], totals)).tolist()
        figures = dict(zip(names, values, strict=True))
        loss, lr = figures.pop(LOSS, whole), optimizer.param_groups[0]["lr"]
        others = figures | self._other_rates()
        if not math.isfinite(whole) or not (math.isfinite(norm) or self.precision.forgives()):
            return Update(whole, lr, norm, tokens, waited, False, others)
        longest = self.settings.clip
        if longest is not None and longest < norm < math.inf:
            clip_grads_with_norm_(parameters, longest, torch.tensor(norm))
        self.parallel.about_to_change()
        self.precision.step(optimizer)
        optimizer.zero_grad()
        self._tell()
        return Update(loss, lr, norm, tokens, waited, True, others)

    def _tell(self) -> None:
        with torch.no_grad():
            for module in self.told:
                module.after_update(self.processes.sum)

    def _other_rates(self) -> dict[str, float]:
        """The learning rates of groups that have one of their own, by the groups' names."""
        groups = self.parallel.optimizer.param_groups
        if all(group["lr"] == groups[0]["lr"] for group in groups):
            return {}
        return {f"{LR}_{group.get('name', index)}": group["lr"] for index, group in enumerate(groups)}

    def seed(self, step: int) -> None:
        """Seeds the random state for an update; each process has a stream of its own."""
        stream = ("process", self.processes.rank) if self.processes.rank else ()
        _seed(self.training.device, seed_for(self.training.seed, "step", step, *stream))

    def batches(self, step: int) -> list[Batch]:
        """This process's share of the update's batches, as the model is to read them."""
        rank, count = self.processes.rank, self.processes.count
        rows, seed = self.settings.batch_size // count, self.training.seed
        micros = range(self.settings.accumulate)
        batches = [self.training.batches.train(step, rows, seed, micro * count + rank) for micro in micros]
        objective = objective_of(self.training.model)
        if objective is None:
            return batches
        salt = seed_for(seed, "objective", step)
        return [objective.pose(batch, salt) for batch in batches]

    def backward(self, micros: list[Batch], tokens: int) -> tuple[Tensor, list[str]]:
        """Adds the gradients of the mean loss over all `tokens` scored in the update.

        Returns:
            That loss, and figures of the update beside it, in one tensor; and the names of the figures.
        """
        # Divided by the tokens of the whole update, so that rows weigh the same whichever batch they are in. DDP gives
        # several processes the mean of their gradients, where the sum is wanted.
        share = self.processes.count / max(tokens, 1)
        total = torch.zeros((), device=self.training.device)
        sums: dict[str, Tensor] = {}
        for index, batch in enumerate(micros):
            last = index == len(micros) - 1
            with nullcontext() if last else self.parallel.accumulating():
                with self.precision.cast():
                    loss, figures = self.parallel.loss(batch.to(self.training.device))
                loss = loss.float() * share
                self.precision.backward(loss)
            total += loss.detach()
            for name, figure in figures.items():
                sums[name] = sums.get(name, 0.0) + figure.float() * share
        names = sorted(sums)  # the same order in every process
        totals = torch.stack([total, *(sums[name] for name in names)])
        return self.processes.sum(totals) / self.processes.count, names


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
